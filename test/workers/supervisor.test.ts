import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { nodeChild } from '../../workers/embedded/node-child.js';
import { identify, isRunning, type ProcessId } from '../../workers/embedded/processes.js';
import { endLeftovers, recordProcesses } from '../../workers/embedded/recorded-processes.js';
import { pauseAfter, supervise, type Part, type Supervisor } from '../../workers/embedded/supervisor.js';
import { createLog } from '../../runtime/log.js';
import { until } from '../support/until.js';

const log = createLog('supervisor-test', 'silent');
let folder: string;
let supervisor: Supervisor;
let begun: { name: string; id: ProcessId }[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'slipway-supervisor-'));
  supervisor = supervise(log);
  begun = [];
});
afterEach(async () => {
  await supervisor.stop();
  expect(begun.filter(({ id }) => isRunning(id))).toEqual([]);
  rmSync(folder, { recursive: true, force: true });
});

/** A real node process that does this. */
function part(name: string, code: string, graceMs = 5_000): Part {
  const file = join(folder, `${name}.mjs`);
  writeFileSync(file, code);
  const onSpawn = (pid: number) => {
    const id = identify(pid);
    if (id) begun.push({ name, id });
  };
  return nodeChild({ name, file, env: { ...process.env, NOTES: join(folder, 'notes') }, graceMs, onSpawn });
}
const note =
  "import { appendFileSync } from 'node:fs'; const note = (text) => appendFileSync(process.env.NOTES, text + '\\n');";
const noteAtEnd = (name: string) =>
  `${note} process.on('SIGTERM', () => { note('${name} ends'); process.exit(0); }); note('${name} runs'); setInterval(() => {}, 1000);`;
const notes = () => readFileSync(join(folder, 'notes'), 'utf8').trim().split('\n');
const startsOf = (name: string) => begun.filter((start) => start.name === name);
const latest = (name: string) => startsOf(name).at(-1)?.id ?? { pid: 0, started: '' };

describe('the supervisor', () => {
  it('starts a child that was killed again at once', async () => {
    await supervisor.start([part('api', 'setInterval(() => {}, 1000)')]);
    const first = latest('api');
    const killed = Date.now();
    process.kill(first.pid, 'SIGKILL');
    await until('another one runs', () => startsOf('api').length === 2 && isRunning(latest('api')));
    // It pauses for 0.2 s; the rest is a machine that may be busy.
    expect(Date.now() - killed).toBeLessThan(10_000);
    expect(latest('api')).not.toEqual(first);
  });

  it('waits longer each time a child dies at once, up to ten seconds', () => {
    expect([1, 2, 3, 4, 5, 6, 7, 20].map(pauseAfter)).toEqual([200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000]);
  });

  it('continues with the others while one keeps dying', async () => {
    await supervisor.start([part('broken', 'process.exit(3)'), part('fine', 'setInterval(() => {}, 1000)')]);
    await until('the broken one was started three times', () => startsOf('broken').length >= 3);
    expect(startsOf('fine')).toHaveLength(1);
    expect(isRunning(latest('fine'))).toBe(true);
  });

  it('stops what was started last first, and waits for it', async () => {
    for (const name of ['database', 'broker', 'api']) await supervisor.start([part(name, noteAtEnd(name))]);
    await until('all three run', () => notes().length === 3);
    await supervisor.stop();
    expect(notes().slice(3)).toEqual(['api ends', 'broker ends', 'database ends']);
  });

  it('kills what does not end when it is asked', async () => {
    await supervisor.start([
      part('deaf', `${note} process.on('SIGTERM', () => {}); note('runs'); setInterval(() => {}, 1000);`, 200),
    ]);
    await until('it runs', () => notes().length === 1);
    await supervisor.stop();
    expect(isRunning(latest('deaf'))).toBe(false);
  });

  it('starts nothing again once it stops, though a child was waiting for its pause', async () => {
    await supervisor.start([part('broken', 'process.exit(3)')]);
    await until('it died once', () => startsOf('broken').length >= 1 && !isRunning(latest('broken')));
    await supervisor.stop();
    const starts = startsOf('broken').length;
    await expect(supervisor.start([part('late', '')])).rejects.toThrow('being stopped');
    expect(startsOf('broken')).toHaveLength(starts);
  });

  it('reports to its caller when a child does not come up the first time', async () => {
    const start = () => Promise.reject(new Error('no disk'));
    await expect(supervisor.start([{ name: 'postgres', start }])).rejects.toThrow('no disk');
  });
});

describe('What a killed all in one left behind', () => {
  it('is found by number and start, and ended; a later process of the same number is left alone', async () => {
    const record = recordProcesses(folder);
    await supervisor.start([part('left', 'setInterval(() => {}, 1000)')]);
    record.add('left', latest('left').pid);
    const kept = JSON.parse(readFileSync(join(folder, 'processes.json'), 'utf8')) as unknown[];
    writeFileSync(
      join(folder, 'processes.json'),
      JSON.stringify([...kept, { name: 'me', pid: process.pid, started: '1' }]),
    );
    const left = latest('left');
    await endLeftovers(folder, log);
    expect(isRunning(left)).toBe(false);
    expect(isRunning(identify(process.pid) ?? left)).toBe(true);
  });
});
