import { afterAll, describe, expect, it } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { readArguments } from '../../demo/arguments.js';
import { moodOf, versionOf } from '../../demo/fleet/sites.js';
import { Operator } from '../../demo/service/operator.js';
import { dashboardLines, sightLines } from '../../demo/terminal/dashboard.js';
import { until } from '../support/all-in-one.js';

describe('the demo', () => {
  it('says where the dashboard is, how one signs in, and what to look at', () => {
    expect(dashboardLines('http://127.0.0.1:8080', 'data/admin-token')).toEqual([
      'The dashboard: http://127.0.0.1:8080/',
      'Sign in with the key in data/admin-token',
    ]);
    expect(sightLines('http://h', [['all', '/'] as const, ['devices', '/devices'] as const])).toEqual([
      'What to look at:',
      '  all      http://h/',
      '  devices  http://h/devices',
    ]);
  });

  it('takes a fleet of a size that makes sense, which stays up', () => {
    expect(readArguments(['--fleet', '5000'])).toMatchObject({ fleet: 5_000, keep: true });
    for (const size of ['399', '20001', 'many', '4.5'])
      expect(() => readArguments(['--fleet', size])).toThrow(/--fleet takes a whole number from 400 to 20000/);
    expect(() => readArguments(['--fleet', '5000', '--bad-firmware'])).toThrow(/--fleet goes with --keep and --seed/);
    expect(() => readArguments(['--fleet', '5000', '--rollout-only'])).toThrow(/--fleet goes with --keep and --seed/);
  });

  it('has lamps of every mood and version among a hundred', () => {
    const numbers = Array.from({ length: 100 }, (_, index) => index + 1);
    expect([...new Set(numbers.map(moodOf))].sort()).toEqual(['absent', 'good', 'rejecting', 'unreachable']);
    expect([...new Set(numbers.map(versionOf))].sort()).toEqual(['1.0.0', '1.1.0', '1.2.0']);
    expect(numbers.filter((number) => moodOf(number) === 'good').length).toBeGreaterThan(90);
  });
});

describe('the demo with a fleet', () => {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-demo-'));
  let demo: ChildProcess | undefined;
  let printed = '';
  afterAll(async () => {
    if (demo && demo.exitCode === null && demo.signalCode === null) {
      const ended = new Promise((done) => demo!.once('exit', done));
      demo.kill('SIGINT');
      await ended;
    }
    rmSync(folder, { recursive: true, force: true });
  }, 60_000);

  it('comes up, shows rollouts in every mood at the addresses that it prints, and ends with Ctrl-C', async () => {
    demo = spawn(process.execPath, [resolve('dist/demo/main.js'), '--fleet', '400'], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [demo.stdout!, demo.stderr!]) stream.on('data', (part: Buffer) => (printed += String(part)));
    await until(
      'it says that all stays up',
      () => {
        if (demo!.exitCode !== null) throw new Error(printed);
        return printed.includes('All stays up; Ctrl-C ends it.');
      },
      180_000,
    );
    const [, http = ''] = /^The dashboard: (\S+)\/$/m.exec(printed) ?? [];
    const key = readFileSync(join(folder, '.slipway-demo', 'data', 'admin-token'), 'utf8').trim();
    const operator = new Operator(http, key);
    const sights = [...printed.matchAll(/^ {2}\S.*? {2,}(http\S+)$/gm)].map(([, url]) => new URL(url!));
    expect(sights.length).toBeGreaterThan(6);
    for (const { pathname } of sights) {
      const [, list, id] = pathname.split('/');
      if (id !== undefined) await operator.call('GET', `/v1/${list!}/${id}`);
    }
    await until(
      'each rollout is in its mood',
      async () => {
        const found = await operator.all<{ name: string; phase: string; waitingOn: string }>('/v1/rollouts');
        const phases = found.map(({ phase }) => phase);
        if (['awaiting_approval', 'draft', 'paused'].every((phase) => phases.includes(phase))) return true;
        throw new Error(found.map(({ name, phase, waitingOn }) => `${name} is ${phase}: ${waitingOn}`).join('; '));
      },
      120_000,
    );
    const ended = new Promise<number | null>((done) => demo!.once('exit', (code) => done(code)));
    demo.kill('SIGINT');
    expect(await ended).toBe(0);
  }, 360_000);
});
