import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { request as overHttp, type IncomingMessage } from 'node:http';
import { request as overHttps } from 'node:https';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { refusal } from '../../client/connect.js';
import type { Cli } from './cli.js';
import { sizeText } from './text.js';

const READ_BYTES = 1024 * 1024;
/** Between two lines of progress where none can be drawn over. */
const LINE_MS = 5_000;
const DRAW_MS = 100;

/** The SHA-256 and the length of a file: the service refuses other bytes than these. */
export async function hashed(file: string): Promise<{ sha256: string; size: number }> {
  const hash = createHash('sha256');
  let size = 0;
  for await (const chunk of createReadStream(file, { highWaterMark: READ_BYTES }) as AsyncIterable<Buffer>) {
    hash.update(chunk);
    size += chunk.length;
  }
  return { sha256: hash.digest('hex'), size };
}

/**
 * Sends the bytes of a firmware, with progress on standard error. Not by fetch: its streams take one half as fast as
 * the service does.
 * @throws SlipwayError
 */
export async function send(cli: Cli, file: string, size: number, firmwareId: string): Promise<void> {
  const { baseUrl = '', auth, headers } = cli.client.getConfig();
  const token = typeof auth === 'function' ? await auth({ type: 'http', scheme: 'bearer' }) : auth;
  const url = new URL(`${baseUrl}/v1/firmwares/${firmwareId}/blob`);
  const asked = (url.protocol === 'https:' ? overHttps : overHttp)(url, {
    method: 'POST',
    headers: {
      ...(headers as Record<string, string> | undefined),
      authorization: `Bearer ${token ?? ''}`,
      'content-type': 'application/octet-stream',
      'content-length': size,
    },
  });
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    asked.once('response', resolve);
    asked.once('error', reject);
  });
  const progress = new Progress(cli, size);
  const sent = pipeline(createReadStream(file, { highWaterMark: READ_BYTES }), progress.counting, asked);
  try {
    // A refusal comes while bytes are still being sent; then they do not matter any more.
    const response = await Promise.race([answered, sent.then(() => answered)]);
    await checked(response);
    await sent;
  } catch (error) {
    asked.destroy();
    sent.catch(() => undefined);
    throw error instanceof Error && 'problem' in error ? error : refusal(error, undefined);
  } finally {
    progress.end();
  }
}

async function checked(response: IncomingMessage): Promise<void> {
  let text = '';
  for await (const chunk of response.setEncoding('utf8') as AsyncIterable<string>) text += chunk;
  const status = response.statusCode ?? 0;
  if (status >= 200 && status < 300) return;
  throw refusal(parsed(text), new Response(null, { status, statusText: response.statusMessage ?? '' }));
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return text;
    throw error;
  }
}

/** A bar on a terminal; elsewhere a line now and then. */
class Progress {
  readonly counting: Transform;
  private sent = 0;
  private readonly began = Date.now();
  private shownAt = Date.now();

  constructor(
    private readonly cli: Cli,
    private readonly total: number,
  ) {
    this.counting = new Transform({
      highWaterMark: READ_BYTES,
      transform: (chunk: Buffer, _encoding, done) => {
        this.sent += chunk.length;
        this.show();
        done(null, chunk);
      },
    });
  }

  end(): void {
    if (this.cli.drawsOver) this.cli.draw('\r\u001b[K');
  }

  private show(): void {
    const now = Date.now();
    if (now - this.shownAt < (this.cli.drawsOver ? DRAW_MS : LINE_MS)) return;
    this.shownAt = now;
    const share = this.sent / Math.max(1, this.total);
    const rate = this.sent / Math.max(1, now - this.began);
    const left = Math.ceil((this.total - this.sent) / Math.max(rate, 1) / 1_000);
    const figures = `${Math.floor(share * 100)} %  ${sizeText(this.sent)} of ${sizeText(this.total)}  ${sizeText(rate * 1_000)}/s  ${left} s left`;
    if (!this.cli.drawsOver) return this.cli.note(figures);
    const room = Math.max(5, Math.min(40, this.cli.errColumns - figures.length - 4));
    const full = Math.round(share * room);
    this.cli.draw(`\r${'█'.repeat(full)}${'░'.repeat(room - full)}  ${figures}\u001b[K`);
  }
}
