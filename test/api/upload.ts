import { randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { request, type ClientRequest, type IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from '@jest/globals';
import type { ApiUnderTest, Client, Reply } from './api-under-test.js';

export const OCTETS = { 'content-type': 'application/octet-stream' };

export async function newFirmware(client: Client, more: Record<string, unknown> = {}): Promise<string> {
  const { status, body } = await client.call('POST', '/v1/firmwares', {
    name: 'Light switch',
    version: '1.5.0',
    ...more,
  });
  expect(status).toBe(201);
  return body.data.id as string;
}

export function attach(client: Client, id: string, bytes: Uint8Array = randomBytes(10_000)): Promise<Reply> {
  return client.call('POST', `/v1/firmwares/${id}/blob`, bytes, OCTETS);
}

/** A ready firmware. */
export async function uploaded(client: Client, bytes: Uint8Array, more: Record<string, unknown> = {}): Promise<string> {
  const id = await newFirmware(client, more);
  expect((await attach(client, id, bytes)).status).toBe(200);
  return id;
}

/** An upload that the test holds in its hand: it writes piece by piece, and may be cut off. */
export class SlowUpload {
  readonly request: ClientRequest;
  readonly answer: Promise<IncomingMessage>;

  constructor(api: ApiUnderTest, id: string, length?: number) {
    this.request = request(`${api.url}/v1/firmwares/${id}/blob`, {
      method: 'POST',
      headers: {
        ...OCTETS,
        authorization: `Bearer ${api.token}`,
        ...(length === undefined ? {} : { 'content-length': length }),
      },
    });
    this.answer = new Promise((resolve, reject) => {
      this.request.once('response', (response) => resolve(response.resume()));
      this.request.once('error', reject);
    });
    this.answer.catch(() => undefined); // a test that cuts the connection does not ask for the answer
  }

  write(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => this.request.write(bytes, (error) => (error ? reject(error) : resolve())));
  }
}

/** Uploads that are neither committed nor discarded. */
export async function unfinished(api: ApiUnderTest): Promise<number> {
  return (await readdir(`${api.folder}/incoming`)).length;
}

export async function until(what: string, look: () => Promise<boolean>, ms = 10_000): Promise<void> {
  for (const end = Date.now() + ms; !(await look()); await sleep(20))
    if (Date.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
}
