import { describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { faultsOf } from '../../bench/lists/explain.js';
import { parseStat, spent, threadsBelow, togetherMb, usageBelow } from '../../bench/usage.js';

describe('What a process has used', () => {
  it('is read also where the name of its command holds spaces and parentheses', () => {
    const stat = '42 (a (b) c) S 7 42 42 0 -1 0 0 0 0 0 100 20 3 4 20 0 11 0 5 1000 256 0';
    expect(parseStat(stat, 'a b')).toEqual({ pid: 42, parent: 7, command: 'a b', cpuMs: 1_270, rssBytes: 256 * 4_096 });
  });

  it('is counted for the processes below it, under the name of their part', async () => {
    const child = spawn(process.execPath, [
      '-e',
      'for (const end = Date.now() + 300; Date.now() < end;); process.stdout.write("done"); setInterval(() => {}, 1000)',
      'workers/bridge.js',
    ]);
    try {
      const before = usageBelow(process.pid);
      await once(child.stdout, 'data');
      const after = usageBelow(process.pid);
      expect(spent(before, after).get('bridge')).toBeGreaterThan(50);
      expect(after.get('bridge')!.memoryMb).toBeGreaterThan(10);
      expect(after.has('rest')).toBe(true);
      const threads = threadsBelow(process.pid, 'bridge');
      expect(threads.javascript).toBeGreaterThan(threads.others);
      expect(threadsBelow(process.pid, 'api')).toEqual({ javascript: 0, others: 0 });
    } finally {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  });
});

describe("The memory of Slipway's own processes together", () => {
  it("counts what they have mapped from one file once, and leaves out what is not Slipway's", () => {
    const use = (memoryMb: number, fileMb: number) => ({ cpuMs: 0, memoryMb, fileMb });
    expect(
      togetherMb(
        new Map([
          ['up', use(80, 45)],
          ['bridge', use(100, 50)],
          ['temporal', use(200, 90)],
        ]),
      ),
    ).toBe(35 + 50 + 50);
  });
});

describe('A query plan', () => {
  const sizes = new Map([
    ['devices', 100_000],
    ['firmwares', 3],
  ]);
  const scan = (table: string) => ({ 'Node Type': 'Seq Scan', 'Relation Name': table, 'Actual Loops': 1 });

  it('is at fault where it scans a large table, wherever in it that is', () => {
    expect(faultsOf({ 'Node Type': 'Limit', 'Actual Loops': 1, Plans: [scan('devices')] }, sizes)).toEqual([
      'a sequential scan of devices',
    ]);
  });

  it('may scan a small one', () => {
    expect(faultsOf(scan('firmwares'), sizes)).toEqual([]);
  });

  it('is at fault where an index brings thousands of rows that a filter throws away', () => {
    const walk = {
      'Node Type': 'Index Scan',
      'Relation Name': 'devices',
      'Actual Loops': 2,
      'Rows Removed by Filter': 4_000,
    };
    expect(faultsOf(walk, sizes)).toEqual(['8000 rows of devices were read and thrown away (Index Scan)']);
  });
});
