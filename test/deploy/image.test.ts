import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { SETTING_NAMES } from '../../runtime/settings.js';
import { files, read } from '../repo/files.js';
import { run } from './programs.js';

const ENTRY = 'deploy/image/slipway';
const dockerfile = read('Dockerfile');
/** Each stage by its name. */
const stages = new Map(
  dockerfile
    .split(/^FROM /m)
    .slice(1)
    .map((text) => [/ AS (\S+)/.exec(text)![1]!, text] as const),
);

describe('The image', () => {
  it('has a Dockerfile that hadolint finds no fault in', () => {
    expect(run('hadolint', ['Dockerfile'])).toMatchObject({ status: 0, said: '' });
    expect(run('hadolint', ['-'], 'FROM node:latest\nRUN cd /app\n').status).toBe(1);
  });

  it('has a target for the processes and one for trying, neither of them as root', () => {
    expect([...stages.keys()]).toEqual(['build', 'packages', 'service-packages', 'base', 'all-in-one', 'service']);
    for (const target of ['service', 'all-in-one']) expect(stages.get(target)).toMatch(/^base AS /);
    expect(stages.get('base')).toMatch(/^USER 10001:10001$/m);
    expect(stages.get('base')).toMatch(/^HEALTHCHECK .*"\/app\/healthcheck.js"\]$/m);
    expect(stages.get('base')).toMatch(/^ENTRYPOINT \["slipway"\]$/m);
    expect(stages.get('packages')).toContain('npm ci --omit=dev');
  });

  it('copies only what is there, and sets only what is a setting', () => {
    const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, paths]) => paths!.split(' '));
    expect(copied.length).toBeGreaterThan(8);
    expect(copied.filter((path) => !existsSync(path))).toEqual([]);
    const set = [...dockerfile.matchAll(/\b(SLIPWAY_[A-Z_]+)=/g)].map(([, name]) => name!);
    expect(set.filter((name) => !SETTING_NAMES.includes(name))).toEqual([]);
  });

  it('is built without what git does not have', () => {
    const ignored = read('.dockerignore').split('\n');
    const untracked = read('.gitignore').split('\n').filter(Boolean);
    expect(
      untracked
        .map((path) => path.replace(/\/$/, ''))
        .filter((path) => !ignored.includes(path) && !ignored.includes(`**/${path}`)),
    ).toEqual([]);
  });

  it('has an entry point that knows each process of the service, and names them to one that it does not know', () => {
    const [, known = ''] = /^ {2}(api .*)\) exec node .*workers/m.exec(read(ENTRY)) ?? [];
    const workers = files.filter((file) => /^workers\/[a-z]+\.ts$/.test(file)).map((file) => file.slice(8, -3));
    // The all in one alone starts the embedded broker.
    expect(known.split(' | ').sort()).toEqual(workers.filter((name) => name !== 'broker').sort());
    for (const args of [[], ['broker'], ['sh', '-c', 'id']]) {
      const { status, stderr } = spawnSync(ENTRY, args, { encoding: 'utf8' });
      expect([status, stderr]).toEqual([
        2,
        expect.stringContaining(`"${args[0] ?? ''}" is none of: api, orchestrator, bridge, migrate, up.`),
      ]);
    }
  });

  it('has a health check that fails where no process answers', () => {
    const env = { PATH: process.env['PATH'], SLIPWAY_HTTP_PORT: '1', SLIPWAY_PROBE_PORT: '2' };
    expect(spawnSync(process.execPath, ['deploy/image/healthcheck.js'], { env }).status).toBe(1);
  });
});
