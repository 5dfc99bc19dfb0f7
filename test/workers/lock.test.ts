import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { lockDataDir } from '../../workers/embedded/lock.js';
import { ended, identify } from '../../workers/embedded/processes.js';
import { until } from '../support/until.js';

let dataDir: string;
beforeEach(() => void (dataDir = mkdtempSync(join(tmpdir(), 'slipway-lock-'))));
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));
const lockFile = () => join(dataDir, 'lock');

describe('the lock of a data directory', () => {
  it('refuses a second start with a sentence that says what to do', () => {
    const lock = lockDataDir(dataDir);
    expect(() => lockDataDir(dataDir)).toThrow(
      new RegExp(
        `${dataDir} is in use: Slipway runs on it as process ${process.pid}\\. Stop that one first, or set SLIPWAY_DATA_DIR`,
      ),
    );
    lock.release();
    expect(lockDataDir(dataDir).tookOver).toBe(false);
  });

  it('is gone after its release, with everything that making it needed', () => {
    lockDataDir(dataDir).release();
    expect(readdirSync(dataDir)).toEqual([]);
  });

  it('of a process that was killed is taken over', async () => {
    const child = spawn('sleep', ['60']);
    const id = await until('the child runs', () => identify(child.pid ?? 0));
    writeFileSync(lockFile(), JSON.stringify(id));
    expect(() => lockDataDir(dataDir)).toThrow(`process ${id.pid}`);
    child.kill('SIGKILL');
    expect(await ended(id, 5_000)).toBe(true);
    expect(lockDataDir(dataDir).tookOver).toBe(true);
  });

  it('is taken over where its number now belongs to a later process', () => {
    writeFileSync(lockFile(), JSON.stringify({ pid: process.pid, started: '1' }));
    expect(lockDataDir(dataDir).tookOver).toBe(true);
    expect(JSON.parse(readFileSync(lockFile(), 'utf8'))).toEqual(identify(process.pid));
  });

  it('of a zombie is taken over: what has ended holds nothing, though its number is still there', async () => {
    // The shell becomes a program that never asks how its child ended.
    const parent = spawn('sh', ['-c', 'sleep 0.1 & echo $!; exec sleep 60'], { stdio: ['ignore', 'pipe', 'ignore'] });
    try {
      const pid = Number(
        await new Promise<string>((resolve) => parent.stdout.once('data', (data: Buffer) => resolve(data.toString()))),
      );
      const id = identify(pid);
      expect(id).toBeDefined();
      await until('the child is a zombie', () => readFileSync(`/proc/${pid}/status`, 'utf8').includes('State:\tZ'));
      writeFileSync(lockFile(), JSON.stringify(id));
      expect(lockDataDir(dataDir).tookOver).toBe(true);
    } finally {
      parent.kill('SIGKILL');
    }
  });

  it('that is damaged is taken over', () => {
    writeFileSync(lockFile(), '{"pi');
    expect(lockDataDir(dataDir).tookOver).toBe(true);
  });

  it('is not removed by one who lost it', () => {
    const lock = lockDataDir(dataDir);
    writeFileSync(lockFile(), JSON.stringify({ pid: 1, started: 'another' }));
    lock.release();
    expect(existsSync(lockFile())).toBe(true);
  });
});
