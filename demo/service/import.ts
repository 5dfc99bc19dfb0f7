import { setTimeout as sleep } from 'node:timers/promises';
import { fetch } from 'undici';
import type { Operator } from './operator.js';

/** A device as a line of an import. `id`: a UUID that it is to have. */
export interface ImportedDevice {
  readonly id?: string;
  readonly info: {
    readonly name: string;
    readonly deviceTypeId: string;
    readonly tags?: readonly string[];
    readonly connectedBy?: string;
  };
  readonly custom?: Readonly<Record<string, unknown>>;
}

interface ImportJob {
  readonly id: string;
  readonly state: string;
  readonly done: number;
  readonly errors: readonly { readonly line: number; readonly detail: string }[];
}

const LOOK_MS = 200;
const ENDED = ['done', 'failed', 'canceled'];

/** Imports devices in one job, and waits for its end. @throws with its first fault, and after `ms` */
export async function importDevices(
  operator: Operator,
  devices: readonly ImportedDevice[],
  ms = 300_000,
): Promise<void> {
  const response = await fetch(`${operator.baseUrl}/v1/devices/import`, {
    method: 'POST',
    headers: { authorization: `Bearer ${operator.token}`, 'content-type': 'application/x-ndjson' },
    body: devices.map((device) => `${JSON.stringify(device)}\n`).join(''),
  });
  if (!response.ok) throw new Error(`the import was answered with ${response.status}: ${await response.text()}`);
  const { id } = ((await response.json()) as { data: ImportJob }).data;
  for (const end = Date.now() + ms; ; await sleep(LOOK_MS)) {
    const job = await operator.call<ImportJob>('GET', `/v1/jobs/${id}`);
    if (job.state === 'done') return;
    const [fault] = job.errors;
    if (ENDED.includes(job.state))
      throw new Error(`the import ended as ${job.state}${fault ? `: line ${fault.line}: ${fault.detail}` : ''}`);
    if (Date.now() > end) throw new Error(`the import had done ${job.done} of ${devices.length} after ${ms} ms`);
  }
}
