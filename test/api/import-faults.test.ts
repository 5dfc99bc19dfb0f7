import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { until } from '../support/until.js';
import { startApi, type ApiUnderTest } from './api-under-test.js';

const LINES = { 'content-type': 'application/x-ndjson' };
/** Good lines between two faults: 1 % of the file is faulty. */
const GOOD = 99;
const [TAKEN, NOTHING] = [randomUUID(), randomUUID()];
let api: ApiUnderTest;
let type: string;
beforeAll(async () => {
  api = await startApi('import faults', { runsJobs: true });
  type = (await api.call('POST', '/v1/device-types', { name: 'Switch', slots: {} })).body.data.id as string;
  const there = [
    device({ aliases: ['taken'] }, { id: TAKEN }),
    device({ aliases: ['other'] }),
    device({ aliases: ['third'] }),
  ];
  expect(await imported(Buffer.from(there.join('\n')))).toMatchObject({ state: 'done', done: 3 });
}, 60_000);
afterAll(() => api.close());

type Job = Record<string, unknown> & { errors: { line: number; pointer: string; detail: string }[] };

const device = (info: object = {}, more: object = {}): string =>
  JSON.stringify({ info: { name: 'd', deviceTypeId: type, ...info }, ...more });

/** Each kind of fault: the line, and what is said of it. */
const KINDS: Readonly<Record<string, [line: () => string | Buffer, pointer: string, detail: RegExp]>> = {
  'is not JSON': [() => '{"info": ', '', /^is not JSON: /],
  'is no object': [() => '[1]', '', /object/],
  'is not UTF-8': [() => Buffer.from([0x22, 0xff, 0xfe, 0x22]), '', /^is not UTF-8$/],
  'holds a NUL character': [() => 'a\0b', '', /^holds a NUL character$/],
  'holds an escaped NUL character': [() => device({ name: 'a\0b' }), '/info/name', /./],
  'holds half a character': [() => device({ name: 'a\ud800b' }), '/info/name', /./],
  'is longer than a line may be': [
    () => device({ description: 'x'.repeat(1_100_000) }),
    '',
    /^is longer than 1048576 /,
  ],
  'has no name': [() => device({ name: undefined }), '/info/name', /./],
  'has a name that is too long': [
    () => device({ name: 'x'.repeat(10_000) }),
    '/info/name',
    /^must have 1 to 255 characters$/,
  ],
  'has a number in place of a text': [() => device({ name: 7 }), '/info/name', /./],
  'has a number that would become another one': [
    () => device({}, { custom: { serial: 7 } }).replace(':7', ':9007199254740993'),
    '/custom/serial',
    /^is a number beyond 2\^53 - 1/,
  ],
  'has a number that would become 0': [
    () => device({}, { custom: { a: [7] } }).replace('[7]', '[1e-400]'),
    '/custom/a/0',
    /^is a number so small/,
  ],
  'has a number out of range': [
    () => device({}, { custom: { a: 7 } }).replace(':7', ':1e400'),
    '/custom/a',
    /^is a number out of range$/,
  ],
  'has a member that is none': [() => device({}, { colour: 'red' }), '/colour', /./],
  'has an id that is none': [() => device({}, { id: 'seven' }), '/id', /UUID/],
  'has a tag that is none': [() => device({ tags: ['a b'] }), '/info/tags/0', /./],
  'has a time that is none': [() => device({ installationTimestamp: 'today' }), '/info/installationTimestamp', /./],
  'has an interval out of its range': [() => device({ communicationInterval: -1 }), '/info/communicationInterval', /./],
  'names a type that is not there': [() => device({ deviceTypeId: NOTHING }), '/info/deviceTypeId', /does not exist$/],
  'names a gateway that is not there': [() => device({ connectedBy: NOTHING }), '/info/connectedBy', /does not exist/],
  'has the id of a device': [() => device({}, { id: TAKEN }), '', new RegExp(`^device ${TAKEN} has this id or alias`)],
  'has the alias of a device': [() => device({ aliases: ['taken'] }), '', /has this id or alias already$/],
  'is two devices': [() => device({ aliases: ['other', 'third'] }), '', /those of several devices/],
  'repeats an alias': [() => device({ aliases: ['first'] }), '', /^"first" is in an earlier line of the file too$/],
};

async function imported(file: Buffer, query = ''): Promise<Job> {
  const { status, body } = await api.call('POST', `/v1/devices/import${query}`, file, LINES);
  expect([status, body]).toMatchObject([202, {}]);
  const { id } = body.data as { id: string };
  return until(
    'the job ends',
    async () => {
      const { data } = (await api.call('GET', `/v1/jobs/${id}`)).body as { data: Job };
      return data['endedAt'] !== null && data;
    },
    120_000,
  );
}

/** Good lines with one fault of each kind after each 99 of them, and the numbers of these lines. */
function faulty(): { file: Buffer; lines: number[]; good: number } {
  const rows: (string | Buffer)[] = [device({ aliases: ['first'] })];
  const lines: number[] = [];
  for (const [line] of Object.values(KINDS)) {
    for (let n = 0; n < GOOD; n += 1) rows.push(device());
    lines.push(rows.push(line()));
  }
  const file = Buffer.concat(rows.flatMap((row) => [Buffer.from(row), Buffer.from('\n')]));
  return { file, lines, good: rows.length - lines.length };
}

const count = async (): Promise<number> =>
  (await api.call('GET', '/v1/devices?pageSize=1')).body.meta.itemsTotal as number;

function expectNamed(job: Job, lines: readonly number[]): void {
  expect(job.errors.map(({ line }) => line)).toEqual(lines);
  for (const [index, [kind, [, pointer, detail]]] of Object.entries(KINDS).entries())
    expect({ kind, ...job.errors[index] }).toMatchObject({ kind, pointer, detail: expect.stringMatching(detail) });
}

describe('A file with 1 % faults of every kind', () => {
  it('gets line, pointer and sentence for each, and with onConflict=fail nothing of it is done', async () => {
    const { file, lines } = faulty();
    for (const query of ['?dryRun=true', '']) {
      const job = await imported(file, query);
      expectNamed(job, lines);
      expect(job).toMatchObject({ state: 'failed', failed: lines.length });
      expect(await count()).toBe(3);
    }
  }, 300_000);

  it('has all its good lines done with onConflict=skip, and the others named', async () => {
    const { file, lines, good } = faulty();
    const job = await imported(file, '?onConflict=skip');
    // Three lines are those of a device that is there by then: they are left out.
    expect(job).toMatchObject({ state: 'done', done: good, skipped: 3, failed: lines.length - 3 });
    expect(await count()).toBe(3 + good);
  }, 300_000);

  it('has nothing done where a fault shows only when it is written: a circle of gateways', async () => {
    const before = await count();
    const [one, other] = [randomUUID(), randomUUID()];
    const rows = [
      ...Array.from({ length: 600 }, () => device()),
      device({ connectedBy: other }, { id: one }),
      device({ connectedBy: one }, { id: other }),
    ];
    const job = await imported(Buffer.from(rows.join('\n')));
    expect(job).toMatchObject({ state: 'failed', done: 0 });
    expect(job.errors[0]).toMatchObject({ line: 601, pointer: '/info/connectedBy', detail: expect.any(String) });
    expect(await count()).toBe(before);
  }, 300_000);
});
