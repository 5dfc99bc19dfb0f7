import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';

const folder = mkdtempSync(join(tmpdir(), 'slipway-handles-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs one suite whose only test has this body, in the environment of all tests. */
function runSuite(body: string, ...options: string[]): { status: number | null; printed: string; count: string } {
  writeFileSync(join(folder, 'one.test.js'), `it('does it', async () => {${body}});`);
  const config = {
    rootDir: folder,
    testEnvironment: resolve('test/support/environment.js'),
    globalTeardown: resolve('test/support/global-teardown.js'),
    reporters: ['default', resolve('test/support/count-reporter.js')],
    transform: {},
  };
  const jest = resolve('node_modules/jest/bin/jest.js');
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--experimental-vm-modules', '--no-warnings', jest, '--config', JSON.stringify(config), ...options],
    { encoding: 'utf8', timeout: 50_000 },
  );
  return { status, printed: stdout + stderr, count: stdout.trimEnd().split('\n').at(-1)! };
}

describe('A suite', () => {
  it.each([
    [
      'a server',
      `await new Promise((done) => require('node:net').createServer().listen(0, '127.0.0.1', done));`,
      /a server on .*127\.0\.0\.1/,
    ],
    ['a timer', `setInterval(() => {}, 1000);`, /left open: 1 timer\./],
    [
      'a child process',
      `require('node:child_process').spawn('sleep', ['15'], { stdio: 'ignore' });`,
      /the child process \d+ \(sleep 15\)/,
    ],
  ])('that leaves %s open fails with its name', (_what, body, named) => {
    const { status, printed, count } = runSuite(body, '--forceExit');
    expect(printed).toMatch(named);
    expect([status, count]).toEqual([1, '0 passed, 1 failed']);
  });

  it('that closes late what it opened passes', () => {
    const { status, printed, count } = runSuite(`setTimeout(() => {}, 300);`);
    expect([status, count, printed]).toEqual([0, '1 passed, 0 failed', expect.not.stringContaining('left open')]);
  });

  it('whose test fails, too, keeps that failure as its own, and the run ends although something is open', () => {
    const { status, printed, count } = runSuite(`setInterval(() => {}, 1000); throw new Error('broken set-up');`);
    expect(printed).toMatch(/broken set-up/);
    expect(printed).toMatch(/left open: \d timers?/);
    expect(printed).toMatch(/The run is over, and this keeps it from ending: .*timer/);
    expect([status, count]).toEqual([1, '0 passed, 1 failed']);
  });
});
