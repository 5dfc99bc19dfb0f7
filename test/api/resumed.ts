import { request } from 'node:http';
import { expect } from '@jest/globals';
import { newFirmware } from './upload.js';
import type { Client } from './api-under-test.js';

export const VERSION = { 'tus-resumable': '1.0.0' };
const PIECE = { ...VERSION, 'content-type': 'application/offset+octet-stream' };

/** What a client of tus reads of an answer. */
export interface TusReply {
  status: number;
  headers: Headers;
  body: { errorCode?: string; [member: string]: unknown };
}

/** A client of tus 1.0 as the specification has it: it asks where to go on, and sends from there. */
export class TusClient {
  constructor(
    private readonly url: string,
    readonly token: string,
  ) {}

  async ask(method: string, path: string, headers: Record<string, string>, body?: Uint8Array): Promise<TusReply> {
    const response = await fetch(this.url + path, {
      method,
      headers: { authorization: `Bearer ${this.token}`, ...headers },
      ...(body === undefined ? {} : { body: body as Uint8Array<ArrayBuffer> }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: text === '' ? {} : JSON.parse(text) };
  }

  /** @returns the path of a new upload. */
  async begin(firmware: string, length: number, more: Record<string, string> = {}): Promise<string> {
    const path = `/v1/firmwares/${firmware}/uploads`;
    const { status, headers } = await this.ask('POST', path, { ...VERSION, 'upload-length': String(length), ...more });
    expect([status, headers.get('tus-resumable'), headers.get('upload-offset')]).toEqual([201, '1.0.0', '0']);
    return new URL(headers.get('location')!).pathname;
  }

  async offset(path: string): Promise<number> {
    const { status, headers } = await this.ask('HEAD', path, VERSION);
    expect([status, headers.get('cache-control')]).toEqual([200, 'no-store']);
    return Number(headers.get('upload-offset'));
  }

  send(path: string, offset: number, bytes: Uint8Array): Promise<TusReply> {
    return this.ask('PATCH', path, { ...PIECE, 'upload-offset': String(offset) }, bytes);
  }

  /** Announces all of the bytes, sends some of them, and cuts the connection once they are on their way. */
  async cut(path: string, offset: number, bytes: Uint8Array, sent: number): Promise<void> {
    const one = request(this.url + path, {
      method: 'PATCH',
      headers: {
        ...PIECE,
        authorization: `Bearer ${this.token}`,
        'upload-offset': offset,
        'content-length': bytes.length,
      },
    });
    one.on('error', () => undefined);
    await new Promise<void>((resolve) => one.write(bytes.subarray(0, sent), () => resolve()));
    one.destroy();
  }
}

/** A draft, and the path of an upload of so many bytes for it. */
export async function begun(client: Client, tus: TusClient, length: number): Promise<[firmware: string, path: string]> {
  const firmware = await newFirmware(client);
  return [firmware, await tus.begin(firmware, length)];
}
