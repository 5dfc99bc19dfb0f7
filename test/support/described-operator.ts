import { fetch } from 'undici';
import { ApiError, Operator } from '../../demo/service/operator.js';
import type { Description } from '../api/described.js';

/** Longer than the 30 s after which the service itself gives up: so it is its own answer that is seen. */
const TIMEOUT_MS = 60_000;

/** An operator whose every answer is held against the OpenAPI document of the service that gave it. */
export class DescribedOperator extends Operator {
  constructor(
    baseUrl: string,
    private readonly bearer: string,
    private readonly description: Description,
  ) {
    super(baseUrl, bearer);
  }

  override async call<T = unknown>(method: string, path: string, body?: unknown): Promise<T> {
    const response = await fetch(`${this.baseUrl}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.bearer}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const text = await response.text();
    const answer = (text === '' ? '' : JSON.parse(text)) as
      '' | { data?: T; errorCode?: string; errorMessage?: string };
    this.description.check(method, path, response.status, response.headers.get('content-type') ?? '', answer);
    const { data, errorCode = '', errorMessage = text } = answer === '' ? {} : answer;
    if (!response.ok) throw new ApiError(response.status, errorCode, errorMessage);
    return data as T;
  }
}
