import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createLog } from '../../runtime/log.js';
import { freePort } from '../../workers/embedded/ports.js';
import { findTemporal } from '../../workers/embedded/temporal-binary.js';
import { startTemporal } from '../../workers/embedded/temporal.js';

const log = createLog('test', 'silent');
let folder: string;
let binary: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'slipway-odd-'));
  binary = (await findTemporal({ log })).path;
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("Temporal's file", () => {
  it.each([
    'plain',
    'a#b',
    'a?b',
    'a%b',
    'a%20b',
    'a%2Fb',
    'a?mode=memory',
    'a#b?c%d',
    '#',
    '?',
    '%',
    'a b',
    ' a',
    'a&b',
    'a=b',
    'a;b',
    "a'b",
    'a"b',
    'a+b',
    'a:b',
    'ä',
    '-a',
  ])('is in its folder, with any name: %j', async (name) => {
    const dbFile = join(folder, name, 'temporal', 'temporal.db');
    const server = await startTemporal({
      binary,
      dbFile,
      port: await freePort(),
      uiPort: null,
      namespace: 'default',
      log,
    });
    await server.stop();
    expect(existsSync(dbFile)).toBe(true);
    expect(readdirSync(folder)).toEqual([name]);
    rmSync(join(folder, name), { recursive: true });
  });
});
