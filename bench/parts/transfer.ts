import { execFile } from 'node:child_process';
import { createHash, randomFillSync } from 'node:crypto';
import {
  createReadStream,
  createWriteStream,
  mkdtempSync,
  openSync,
  closeSync,
  fsyncSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { request } from 'undici';
import { Child } from '../child.js';
import type { Listening } from '../messages.js';
import type { Figure, Measured, Part } from '../part.js';
import { Stage } from '../stage.js';
import { median, rounded } from '../statistics.js';
import { leanestClient, undici, type UploadClient } from '../transfer/clients.js';
import { machineCpuMs, threadsBelow, usageBelow } from '../usage.js';
import { now } from '../wait.js';

const MEGABYTES = 200;
const ROUNDS = 5;
/** Come before and do not count: processes have begun, and run code that they have not compiled yet. */
const WARM_ROUNDS = 1;
const CHUNK_BYTES = 1024 * 1024;
const READY_MS = 10_000;

/** How fast a large file goes in and out, beside the hash that it must pass through and beside a copy. */
export const transfer: Part = {
  title: 'Upload and download of a large file',
  async run(context): Promise<Measured> {
    const megabytes = context.count(MEGABYTES, 20);
    const dir = mkdtempSync(join(tmpdir(), 'slipway-bench-'));
    context.atEnd(() => rmSync(dir, { recursive: true, force: true }));
    const stage = await Stage.open(context);
    const receiver = new Child<never, Listening>(context, new URL('../transfer/bare-receiver.js', import.meta.url));
    const port = await receiver.hear('the bare server listens', READY_MS, ({ port }) => port);
    const lean = await leanestClient();
    const speeds = {
      upload: [] as number[],
      byNode: [] as number[],
      bare: [] as number[],
      first: [] as number[],
      download: [] as number[],
      hash: [] as number[],
      copy: [] as number[],
      read: [] as number[],
    };
    const accounts: Spent[] = [];
    let hasher = '';
    for (let round = 0; round < WARM_ROUNDS + ROUNDS; round += 1) {
      // New content each time: bytes that the store holds already would not be written again.
      const [file, another] = [join(dir, `${round}.bin`), join(dir, `${round}-another.bin`)];
      for (const one of [file, another]) writeRandom(one, megabytes);
      const speed = async (work: () => Promise<unknown>) => {
        const began = now();
        await work();
        return (megabytes * 1_000) / (now() - began);
      };
      speeds.hash.push(await speed(async () => (hasher = await hash(file))));
      speeds.copy.push(await speed(() => copy(file, join(dir, 'copy.bin'))));
      speeds.read.push(await speed(() => pipeline(createReadStream(file), nowhere())));
      speeds.bare.push(await speed(() => lean.send(`http://127.0.0.1:${port}/`, file)));
      let firmwareId = '';
      const account = new Account(stage.service.pid);
      speeds.upload.push(await speed(async () => (firmwareId = await upload(stage, `${round}.0.0`, file, lean))));
      accounts.push(account.end());
      speeds.byNode.push(await speed(() => upload(stage, `${round}.1.0`, another, undici)));
      speeds.first.push(await speed(() => download(stage, firmwareId, megabytes)));
      speeds.download.push(await speed(() => download(stage, firmwareId, megabytes)));
      for (const one of [file, another]) rmSync(one);
      if (round < WARM_ROUNDS) for (const all of [...Object.values(speeds), accounts]) all.length = 0;
      else context.say(`round ${round - WARM_ROUNDS + 1} of ${ROUNDS}`);
    }
    return {
      figures: [...figuresOf(speeds, hasher, lean.name), ...whereItGoes(accounts)],
      method: methodOf(megabytes, lean.name),
    };
  },
};

/** Where the time of one upload went: milliseconds, and CPU milliseconds. */
type Spent = Readonly<Record<'elapsed' | 'machine' | 'javascript' | 'others' | 'client', number>>;

/** Begins when it is made. The counters of threads advance by 10 ms. */
class Account {
  private readonly before: Spent;

  constructor(private readonly servicePid: number) {
    this.before = this.read();
  }

  end(): Spent {
    const after = this.read();
    const since = (what: keyof Spent) => after[what] - this.before[what];
    return {
      elapsed: since('elapsed'),
      machine: since('machine'),
      javascript: since('javascript'),
      others: since('others'),
      client: since('client'),
    };
  }

  private read(): Spent {
    // The bench and those of its children that have ended: a curl.
    return {
      elapsed: now(),
      machine: machineCpuMs(),
      ...threadsBelow(this.servicePid, 'api'),
      client: usageBelow(process.pid).get('rest')?.cpuMs ?? 0,
    };
  }
}

function whereItGoes(accounts: readonly Spent[]): Figure[] {
  const mean = (what: keyof Spent) => accounts.reduce((sum, one) => sum + one[what], 0) / accounts.length;
  const elapsed = { name: 'an upload takes', value: mean('elapsed') };
  const figure = (name: string, value: number): Figure => ({ name, value, unit: 'ms', beside: elapsed });
  return [
    figure("CPU of an upload: the API's thread that receives", mean('javascript')),
    figure("CPU of an upload: the API's threads that hash, write and sync", mean('others')),
    figure('CPU of an upload: its client, and the bench', mean('client')),
    figure(
      "CPU of an upload: all else on the machine, mostly the kernel's writing",
      mean('machine') - mean('javascript') - mean('others') - mean('client'),
    ),
  ];
}

type Speeds = Readonly<
  Record<'upload' | 'byNode' | 'bare' | 'first' | 'download' | 'hash' | 'copy' | 'read', readonly number[]>
>;

function figuresOf(
  { upload: up, byNode, bare, first, download: down, hash: hashing, copy: copying, read }: Speeds,
  hasher: string,
  client: string,
): Figure[] {
  const figure = (name: string, values: readonly number[], ceiling: string, ceilings: readonly number[]): Figure => ({
    name,
    value: median(values),
    unit: 'MB/s',
    beside: { name: ceiling, value: median(ceilings) },
    detail: `median of ${values.map(rounded).join(', ')}`,
  });
  return [
    { ...figure(`upload by ${client}`, up, hasher, hashing), target: { of: 'ratio', is: 'at least', value: 0.5 } },
    figure(`upload by ${client}`, up, 'to a bare Node server that hashes and keeps nothing', bare),
    figure(`upload by ${client}`, up, 'copy by Node streams, synced', copying),
    figure('upload by undici, a client in Node', byNode, hasher, hashing),
    figure('download, the first', first, 'read by a Node stream', read),
    figure('download, again', down, 'read by a Node stream', read),
  ];
}

function methodOf(megabytes: number, client: string): string[] {
  return [
    `A file of ${megabytes} MB of random bytes, new in each of ${ROUNDS} rounds after one that does not count, in the page cache; the median counts. One client on the same machine, which takes part of the same cores.`,
    'Upload: from the creation of the firmware to the answer, which comes when the bytes are hashed, written and synced. Download: from the request by the signed link to the last byte, thrown away; the first reads from the disk, where an upload went past the page cache.',
    'CPU of an upload is user and system time from /proc, the mean of the rounds; a machine of two cores has twice as many milliseconds to give as an upload takes.',
    `The hash alone has a core for itself; an upload shares both with its client, and the bytes cross the loopback on their way to the hash. The bare Node server, with the same client (${client}), hashes in the thread that receives.`,
    "Ceilings: `openssl sha256` on the file (Node's own hash where openssl is missing); a copy of the file by Node streams, synced at the end; a Node stream that reads the file and throws it away.",
  ];
}

function writeRandom(file: string, megabytes: number): void {
  const descriptor = openSync(file, 'w');
  const chunk = Buffer.alloc(CHUNK_BYTES);
  let left = megabytes * 1e6;
  for (; left > 0; left -= chunk.length) writeSync(descriptor, randomFillSync(chunk), 0, Math.min(left, chunk.length));
  fsyncSync(descriptor);
  closeSync(descriptor);
}

/** @returns what hashed it. */
async function hash(file: string): Promise<string> {
  try {
    await promisify(execFile)('openssl', ['dgst', '-sha256', file]);
    return 'openssl sha256';
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    await pipeline(createReadStream(file), createHash('sha256'));
    return "Node's sha256";
  }
}

function copy(from: string, to: string): Promise<void> {
  return pipeline(createReadStream(from), createWriteStream(to, { flush: true }));
}

async function upload(stage: Stage, version: string, file: string, client: UploadClient): Promise<string> {
  const { id } = await stage.operator.call<{ id: string }>('POST', '/v1/firmwares', { name: 'bench', version });
  await client.send(`${stage.operator.baseUrl}/v1/firmwares/${id}/blob`, file, {
    authorization: `Bearer ${stage.operator.token}`,
  });
  return id;
}

async function download(stage: Stage, firmwareId: string, megabytes: number): Promise<void> {
  const { downloadUrl } = await stage.operator.call<{ downloadUrl: string }>('GET', `/v1/firmwares/${firmwareId}`);
  const { statusCode, body } = await request(downloadUrl);
  let received = 0;
  await pipeline(
    body,
    new Writable({
      write(chunk: Buffer, _encoding, done) {
        received += chunk.length;
        done();
      },
    }),
  );
  if (statusCode !== 200 || received !== megabytes * 1e6)
    throw new Error(`a download was answered with ${statusCode} and ${received} bytes`);
}

function nowhere(): Writable {
  return new Writable({ write: (_chunk, _encoding, done) => done() });
}
