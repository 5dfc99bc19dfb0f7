import { createReadStream, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fetch, request, type Response } from 'undici';

/** An answer that was not 2xx: the error's code and sentence, as the API said them. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(`${status} ${code}: ${message}`);
  }
}

/** An installation as `GET …/firmware-installations/{id}` shows it; what this client reads of it. */
export interface InstallationResource {
  id: string;
  deviceId: string;
  slot: string;
  state: string;
  attempt: number;
  requestedAt: string;
  startedAt?: string;
  completedAt?: string;
  rejectedAt?: string;
  rejectReason?: string;
  waitingOn?: string | null;
  nextActionAt?: string | null;
  workflowUrl?: string | null;
  history: { at: string; event: string; data: Record<string, unknown> }[];
}

/** Longer than the 30 s after which the service itself gives up: so it is its own answer that is seen. */
const TIMEOUT_MS = 60_000;
const UPLOAD_TIMEOUT_MS = 120_000;
/** Of the file that is uploaded: in pieces of 256 KiB, reading it took as much CPU as receiving and hashing it. */
const READ_CHUNK_BYTES = 1024 * 1024;

/** A file as the body of a POST; not by fetch, whose web streams take one half as fast as the service does. */
export function sendFile(
  url: string,
  file: string,
  headers: Readonly<Record<string, string>> = {},
): ReturnType<typeof request> {
  return request(url, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/octet-stream', 'content-length': String(statSync(file).size) },
    body: createReadStream(file, { highWaterMark: READ_CHUNK_BYTES }),
    headersTimeout: UPLOAD_TIMEOUT_MS,
    signal: AbortSignal.timeout(UPLOAD_TIMEOUT_MS),
  });
}

/** An operator's client of the REST API: what the demo, the tests and the bench do with it. */
export class Operator {
  constructor(
    readonly baseUrl: string,
    readonly token: string,
  ) {}

  /** @param key `Idempotency-Key`: asked again with it, the request is done once. @throws ApiError */
  async call<T = unknown>(method: string, path: string, body?: unknown, key?: string): Promise<T> {
    return this.read<T>(await this.send(method, path, body, key));
  }

  /** A whole list, page after page by its cursor. @throws ApiError */
  async all<T>(path: string): Promise<T[]> {
    const items: T[] = [];
    for (let cursor = ''; ;) {
      const response = await this.send(
        'GET',
        `${path}${path.includes('?') ? '&' : '?'}pageSize=100${cursor && `&cursor=${cursor}`}`,
      );
      if (!response.ok) return this.read(response);
      const page = (await response.json()) as { data: T[]; meta: { nextCursor?: string } };
      items.push(...page.data);
      if (page.meta.nextCursor === undefined) return items;
      cursor = page.meta.nextCursor;
    }
  }

  private send(method: string, path: string, body?: unknown, key?: string): Promise<Response> {
    return fetch(`${this.baseUrl}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(key === undefined ? {} : { 'idempotency-key': key }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  }

  async firmware(name: string, version: string, file: string): Promise<string> {
    const { id } = await this.call<{ id: string }>('POST', '/v1/firmwares', { name, version });
    const { statusCode: status, body } = await sendFile(`${this.baseUrl}/v1/firmwares/${id}/blob`, file, {
      authorization: `Bearer ${this.token}`,
    });
    await this.read({ ok: status < 300, status, text: () => body.text() });
    return id;
  }

  async deviceType(body: unknown): Promise<string> {
    return (await this.call<{ id: string }>('POST', '/v1/device-types', body)).id;
  }

  async associate(deviceTypeId: string, slot: string, firmwareId: string): Promise<void> {
    await this.call('POST', `/v1/device-types/${deviceTypeId}/slots/${slot}/firmware-associations`, { firmwareId });
  }

  async device(info: {
    name: string;
    deviceTypeId: string;
    tags?: string[];
    connectedBy?: string;
    aliases?: string[];
  }): Promise<string> {
    return (await this.call<{ id: string }>('POST', '/v1/devices', { info })).id;
  }

  password(deviceId: string): Promise<{ id: string; username: string; password: string }> {
    return this.call('POST', `/v1/devices/${deviceId}/credentials`, { type: 'password' });
  }

  install(
    deviceId: string,
    request: { firmwareId: string; slot: string; [more: string]: unknown },
    key?: string,
  ): Promise<InstallationResource> {
    return this.call('POST', `/v1/devices/${deviceId}/firmware-installations`, request, key);
  }

  installation(deviceId: string, id: string): Promise<InstallationResource> {
    return this.call('GET', `/v1/devices/${deviceId}/firmware-installations/${id}`);
  }

  /** The newest ones across devices, at most 100. */
  installations(count: number): Promise<InstallationResource[]> {
    return this.call('GET', `/v1/firmware-installations?pageSize=${Math.min(count, 100)}`);
  }

  slots(deviceId: string): Promise<Record<string, unknown>> {
    return this.call('GET', `/v1/devices/${deviceId}/slots`);
  }

  /** Waits until the service says that all of it is ready. @throws after `ms`, with what it said last. */
  async ready(ms: number): Promise<void> {
    let last = 'it did not answer';
    for (const end = Date.now() + ms; Date.now() < end; await sleep(100)) {
      try {
        const response = await fetch(`${this.baseUrl}/health/ready?all=true`, { signal: AbortSignal.timeout(2_000) });
        last = await response.text();
        if (response.ok) return;
      } catch (error) {
        last = (error as Error).message;
      }
    }
    throw new Error(`the service at ${this.baseUrl} was not ready within ${ms} ms: ${last}`);
  }

  private async read<T>(response: { ok: boolean; status: number; text(): Promise<string> }): Promise<T> {
    const text = await response.text();
    const json = (text === '' ? {} : JSON.parse(text)) as { data?: T; errorCode?: string; errorMessage?: string };
    if (!response.ok) throw new ApiError(response.status, json.errorCode ?? '', json.errorMessage ?? text);
    return json.data as T;
  }
}
