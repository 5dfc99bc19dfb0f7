import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readSettings, SETTING_NAMES } from '../../runtime/settings.js';
import { read } from '../repo/files.js';
import { run } from './programs.js';

const UNITS = readdirSync('deploy/systemd').filter((file) => file.endsWith('.service'));
/** What the issue of exposure is counted in: 40 is 4.0 of systemd-analyze, whose scale ends at 10. */
const MOST_EXPOSED = '40';
const to = mkdtempSync(join(tmpdir(), 'slipway-systemd-'));
const install = (...args: string[]) =>
  execFileSync('deploy/systemd/install', args, { env: { ...process.env, DESTDIR: to }, stdio: 'pipe' });
beforeAll(() => void install('units'));
afterAll(() => rmSync(to, { recursive: true }));

/** The values of one name in a unit, in their order. */
const values = (unit: string, name: string): string[] =>
  [...read(`deploy/systemd/${unit}`).matchAll(new RegExp(`^${name}=(.+)$`, 'gm'))].map(([, value]) => value!);
const environmentOf = (unit: string): Record<string, string> =>
  Object.fromEntries(values(unit, 'Environment').map((pair) => pair.split(/=(.*)/).slice(0, 2) as [string, string]));

describe('The units of systemd', () => {
  it('are one for each process and one for its migrations', () => {
    expect(UNITS.sort()).toEqual([
      'slipway-api.service',
      'slipway-bridge.service',
      'slipway-migrate.service',
      'slipway-orchestrator.service',
    ]);
  });

  it.each(UNITS)('of %s leave little of the machine exposed', (unit) => {
    const args = ['security', '--offline=true', '--no-pager', `--threshold=${MOST_EXPOSED}`];
    const { status, said } = run('systemd-analyze', [...args, `deploy/systemd/${unit}`]);
    expect([status, /Overall exposure level .*: (\S+)/.exec(said)?.[1]]).toEqual([
      0,
      expect.stringMatching(/^[0-3]\./),
    ]);
  });

  it('would be seen to be open without their walls', () => {
    const open = join(to, 'open.service');
    writeFileSync(open, '[Service]\nExecStart=/usr/bin/node\n');
    const args = ['security', '--offline=true', '--no-pager', `--threshold=${MOST_EXPOSED}`, open];
    expect(run('systemd-analyze', args).status).toBe(1);
  });

  it('are taken by systemd as they are installed', () => {
    // What systemd itself brings, and a program under the name of node.
    mkdirSync(join(to, 'lib/systemd/system'), { recursive: true });
    for (const file of readdirSync('/lib/systemd/system').filter((name) => /\.(target|slice|service)$/.test(name)))
      cpSync(join('/lib/systemd/system', file), join(to, 'lib/systemd/system', file), {
        dereference: true,
        force: true,
      });
    mkdirSync(join(to, 'usr/bin'), { recursive: true });
    writeFileSync(join(to, 'usr/bin/node'), '#!/bin/sh\n');
    chmodSync(join(to, 'usr/bin/node'), 0o755);
    const installed = [...UNITS, 'slipway.target'].map((file) => join(to, 'etc/systemd/system', file));
    const { status, said } = run('systemd-analyze', ['verify', `--root=${to}`, '--man=no', ...installed]);
    expect([status, said.split('\n').filter((line) => line.includes('slipway'))]).toEqual([0, []]);
  });

  it('start programs that a build makes, with settings that exist, and secrets as files', () => {
    for (const unit of UNITS) {
      const [, program = ''] = /\/opt\/slipway\/dist\/(\S+)\.js/.exec(values(unit, 'ExecStart')[0] ?? '') ?? [];
      expect(existsSync(`${program}.ts`)).toBe(true);
      const environment = environmentOf(unit);
      expect(Object.keys(environment).filter((name) => !SETTING_NAMES.includes(name))).toEqual([]);
      const files = Object.values(environment).flatMap((value) => /^%d\/(.+)$/.exec(value)?.[1] ?? []);
      expect(values(unit, 'LoadCredential').map((given) => given.split(':')[0])).toEqual(files);
      expect(files).toContain('database-url');
      // The settings that all have go with those of this one.
      for (const file of files) writeFileSync(join(to, file), 'postgres://slipway/slipway');
      const common = Object.fromEntries(
        [...read('deploy/systemd/slipway.env').matchAll(/^([A-Z0-9_]+)=(.+)$/gm)].map(([, name, value]) => [
          name,
          value,
        ]),
      ) as Record<string, string>;
      const own = Object.entries(environment).map(([name, value]) => [name, value.replace('%d', to)]);
      const settings = readSettings({ ...common, ...(Object.fromEntries(own) as Record<string, string>) });
      expect([settings.databaseUrl, settings.unknown]).toEqual(['postgres://slipway/slipway', []]);
      expect(settings.dataDir).toBe('/var/lib/slipway');
    }
  });

  it('give an API longer to end than its drain delay', () => {
    const [seconds] = values('slipway-api.service', 'TimeoutStopSec').map(Number);
    const { drainDelayMs } = readSettings({
      SLIPWAY_DRAIN_DELAY: environmentOf('slipway-api.service')['SLIPWAY_DRAIN_DELAY'],
    });
    expect(seconds).toBeGreaterThanOrEqual(drainDelayMs / 1000 + 10);
  });

  it('are installed again without touching the settings, and secrets are for root alone', () => {
    const settings = join(to, 'etc/slipway/slipway.env');
    writeFileSync(settings, '# ours\n');
    install('units');
    expect(read(settings)).toBe('# ours\n');
    expect(statSync(join(to, 'etc/slipway/secrets')).mode & 0o777).toBe(0o700);
    expect(() => install('everything')).toThrow('"everything" is none of: program, units');
  });
});
