import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { TestedAllInOne, until } from '../support/all-in-one.js';
import { requireProgram } from '../support/programs.js';
import { commandBlocks } from './blocks.js';
import { ROWS } from './rows.js';
import { makeCheckout, walk } from './walk.js';

const SCRIPT = 'examples/shell-device/http.sh';
const GUIDE = 'docs/connect/http.md';
const TOOLS = ['curl', 'jq', 'sha256sum'];

const folder = mkdtempSync(join(tmpdir(), 'slipway-http-device-'));
const dir = join(folder, 'device');
const service = new TestedAllInOne(join(folder, '.slipway'));
let typeId: string;
let deviceId: string;
let token: string;
let device: ChildProcess | undefined;
let printed = '';
const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
const current = () => digest(readFileSync(join(dir, 'current')));

beforeAll(async () => {
  for (const tool of TOOLS) requireProgram(tool, 'debian');
  makeCheckout(folder);
  for (const made of [service.dataDir, dir]) mkdirSync(made);
  await service.start();
  const { operator } = service;
  typeId = await operator.deviceType({ name: 'over HTTP', slots: { firmware: { name: 'Firmware' } } });
  deviceId = await operator.device({ name: 'over HTTP', deviceTypeId: typeId });
  ({ token } = await operator.call<{ token: string }>('POST', `/v1/devices/${deviceId}/credentials`, {
    type: 'token',
  }));
}, 360_000);
afterEach(async () => {
  await stop('SIGTERM');
  printed = '';
});
afterAll(async () => {
  await service.stop();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

function start(): void {
  const { http } = service.endpoints;
  // A group of its own: whatever it has started ends with it.
  device = spawn(SCRIPT, {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, SLIPWAY_URL: http, SLIPWAY_TOKEN: token, SLIPWAY_DIR: dir },
  });
  for (const stream of [device.stdout, device.stderr])
    stream?.on('data', (chunk: Buffer) => (printed += chunk.toString()));
}
async function stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  if (device?.pid === undefined || device.exitCode !== null || device.signalCode !== null) return;
  const ended = once(device, 'exit');
  process.kill(-device.pid, signal);
  await ended;
}
async function upload(version: string, size: number) {
  const bytes = randomBytes(size);
  const file = join(folder, `${version}.bin`);
  writeFileSync(file, bytes);
  const firmwareId = await service.operator.firmware('http', version, file);
  await service.operator.associate(typeId, 'firmware', firmwareId);
  return { firmwareId, sha256: digest(bytes), bytes };
}
const TERMS = {
  timeouts: { offer: 'PT60S', download: 'PT60S', install: 'PT60S', confirm: 'PT60S' },
  retry: { maxAttempts: 3, backoff: { first: 'PT1S' } },
};
const install = (firmwareId: string, also: object = {}) =>
  service.operator.install(deviceId, { firmwareId, slot: 'firmware', ...TERMS, ...also });
const path = (id: string) => `/v1/devices/${deviceId}/firmware-installations/${id}`;
const state = async (id: string, wanted: string) =>
  until(
    `${wanted}; the device printed:\n${printed}`,
    async () => {
      const one = await service.operator.installation(deviceId, id);
      return one.state === wanted ? one : undefined;
    },
    60_000,
  );

describe('The device over HTTP in shell', () => {
  it('has as many lines as the guide says, and needs the tools that its head names', () => {
    const lines = readFileSync(SCRIPT, 'utf8').trimEnd().split('\n');
    expect(readFileSync(GUIDE, 'utf8')).toContain(`is a whole device in ${lines.length} lines`);
    for (const tool of TOOLS) expect(lines[1]).toContain(tool);
    execFileSync('bash', ['-n', SCRIPT]);
  });

  it('installs what the real service offers, with a token and without MQTT, and is online', async () => {
    const { firmwareId, sha256 } = await upload('1.1.0', 700_000);
    start();
    const { id } = await install(firmwareId);
    const end = await state(id, 'installed');
    expect(end.history.map(({ event }) => event)).toEqual(
      expect.arrayContaining(['delivered', 'accepted', 'downloaded', 'rebooting', 'installed']),
    );
    expect(current()).toBe(sha256);
    expect(JSON.stringify(await service.operator.slots(deviceId))).toContain(sha256);
    expect((await service.operator.call<{ online: boolean }>('GET', `/v1/devices/${deviceId}`)).online).toBe(true);
  }, 120_000);

  it('continues after kill -9 in the middle of a download with what it has, and installs once', async () => {
    const { firmwareId, sha256, bytes } = await upload('1.2.0', 3_000_000);
    writeFileSync(join(dir, `${sha256}.part`), bytes.subarray(0, bytes.length / 2));
    const { id } = await install(firmwareId);
    start();
    await until('the download', () => printed.includes('"state":"downloading"'), 60_000);
    await stop('SIGKILL');
    start();
    expect((await state(id, 'installed')).attempt).toBe(1);
    expect(current()).toBe(sha256);
  }, 120_000);

  it('reports HASH_MISMATCH, and the next attempt is good; it waits at the gate, and answers a cancellation', async () => {
    const { firmwareId, sha256 } = await upload('1.3.0', 400_000);
    writeFileSync(join(dir, `${sha256}.part`), Buffer.alloc(200_000, 7));
    start();
    const { id } = await install(firmwareId, { gate: 'hold' });
    const held = await until(
      `the second attempt at the gate; the device printed:\n${printed}`,
      async () => {
        const one = await service.operator.installation(deviceId, id);
        return one.state === 'downloaded' && one.attempt === 2 && one;
      },
      60_000,
    );
    expect(JSON.stringify(held.history)).toContain('HASH_MISMATCH');
    await service.operator.call('POST', `${path(id)}/cancel`, { reason: 'not today' });
    expect((await state(id, 'canceled')).history.at(-1)?.data['by']).toBe(`device:${deviceId}`);
    const { id: again } = await install(firmwareId, { gate: 'hold' });
    await state(again, 'downloaded');
    await service.operator.call('POST', `${path(again)}/release`);
    await state(again, 'installed');
    expect(current()).toBe(sha256);
  }, 180_000);
});

describe('The commands of docs/connect/http.md', () => {
  it('do what it promises, on a new Slipway', async () => {
    const blocks = commandBlocks(GUIDE).map((block) => ({ block, row: ROWS[GUIDE][block.name] ?? { replaced: [] } }));
    const walked = await walk(blocks, { folder, env: { HTTP: service.endpoints.http }, ms: 200_000 });
    expect(walked).toEqual({ code: 0, differences: [], errors: '' });
  }, 240_000);
});
