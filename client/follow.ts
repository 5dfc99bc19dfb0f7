import { refusal } from './connect.js';
import type { Client } from './generated/client/index.js';

/** One Server-Sent Event. `id` is there where one may continue behind it, and is the number in the history. */
export interface Frame {
  readonly id?: string;
  /** `counters`, `end`, or what happened. */
  readonly event: string;
  /** Parsed JSON. */
  readonly data: unknown;
}

/** Of a stream that continues. */
export interface Following {
  /** `/v1/events`, or `/v1/rollouts/{id}/events` with the id filled in. */
  readonly path: string;
  /** The number behind which it begins; 0 = from the beginning; absent = what happens from now on. */
  readonly after?: number;
  readonly signal?: AbortSignal;
  /** Called before it connects again: with the reason, and the milliseconds until then. */
  readonly onAway?: (reason: Error, ms: number) => void;
}

/** Milliseconds between two tries: the service asks for 2 s, and a longer outage is not hammered. */
const RETRY = { firstMs: 2_000, maxMs: 30_000 };

/** After a stream that the service ended by itself, as it does after 15 minutes. */
const AGAIN_MS = 200;

/**
 * What happens, as it happens, across connections: nothing is left out, and nothing comes twice. Ends with the frame
 * `end`, with a 204 (all was sent before), or with `signal`.
 * @throws SlipwayError where the answer is a refusal that another try does not change
 */
export async function* follow(client: Client, { path, after, signal, onAway }: Following): AsyncGenerator<Frame> {
  let last = after === undefined ? undefined : String(after);
  for (let failures = 0; signal === undefined || !signal.aborted;) {
    try {
      const response = await open(client, path, last, signal);
      if (response.status === 204 || response.body === null) return;
      failures = 0;
      for await (const frame of frames(response.body)) {
        if (frame.id !== undefined) last = frame.id;
        yield frame;
        if (frame.event === 'end') return;
      }
      await pause(AGAIN_MS, signal);
    } catch (error) {
      if (signal?.aborted === true) return;
      const { status } = error as { status?: number };
      if (status !== undefined && status > 0 && status < 500 && status !== 429) throw error;
      failures += 1;
      const ms = Math.min(RETRY.firstMs * 2 ** (failures - 1), RETRY.maxMs);
      onAway?.(error as Error, ms);
      await pause(ms, signal);
    }
  }
}

async function open(
  client: Client,
  path: string,
  last: string | undefined,
  signal: AbortSignal | undefined,
): Promise<Response> {
  const { baseUrl = '', auth, fetch: send = fetch, headers } = client.getConfig();
  const token = typeof auth === 'function' ? await auth({ type: 'http', scheme: 'bearer' }) : auth;
  const asked = new Headers(headers as Record<string, string> | undefined);
  asked.set('accept', 'text/event-stream');
  if (token !== undefined) asked.set('authorization', `Bearer ${token}`);
  if (last !== undefined) asked.set('last-event-id', last);
  let response: Response;
  try {
    response = await send(`${baseUrl}${path}`, { headers: asked, ...(signal === undefined ? {} : { signal }) });
  } catch (error) {
    throw refusal(error, undefined);
  }
  if (!response.ok) throw refusal(await response.json().catch(() => undefined), response);
  return response;
}

/** The frames of a stream (HTML Living Standard, "Interpreting an event stream"). Comments are left out. */
async function* frames(body: ReadableStream<Uint8Array>): AsyncGenerator<Frame> {
  const decoder = new TextDecoder();
  let rest = '';
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      rest += decoder.decode(value, { stream: true });
      const blocks = rest.split('\n\n');
      rest = blocks.pop() ?? '';
      for (const block of blocks) {
        const frame = parse(block);
        if (frame) yield frame;
      }
    }
  } finally {
    await reader.cancel();
  }
}

function parse(block: string): Frame | undefined {
  const fields = new Map<string, string>();
  for (const line of block.split('\n')) {
    const [, name, value] = /^(id|event|data): ?(.*)$/.exec(line) ?? [];
    if (name !== undefined && value !== undefined)
      fields.set(name, fields.has(name) ? `${fields.get(name)}\n${value}` : value);
  }
  const data = fields.get('data');
  if (data === undefined) return undefined;
  const id = fields.get('id');
  return { ...(id === undefined ? {} : { id }), event: fields.get('event') ?? 'message', data: JSON.parse(data) };
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener('abort', done);
  });
}
