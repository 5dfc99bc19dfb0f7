import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import mqtt from 'mqtt';
import { startEmbeddedBroker } from '../../adapters/broker/embedded.js';
import { TestedAllInOne, until } from '../support/all-in-one.js';
import { requireProgram } from '../support/programs.js';

const SCRIPT = 'examples/shell-device/device.sh';
const TOOLS = ['mosquitto_sub', 'mosquitto_pub', 'curl', 'jq', 'sha256sum', 'setpriv', 'stdbuf'];

const service = new TestedAllInOne();
const dir = mkdtempSync(join(tmpdir(), 'slipway-shell-'));
let typeId: string;
let deviceId: string;
let login: { username: string; password: string };
let device: ChildProcess | undefined;
let printed = '';
const path = (name: string) => join(dir, name);
const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

beforeAll(async () => {
  for (const tool of TOOLS) requireProgram(tool, 'debian');
  await service.start();
  const { operator } = service;
  typeId = await operator.deviceType({ name: 'shell device', slots: { firmware: { name: 'Firmware' } } });
  deviceId = await operator.device({ name: 'shell', deviceTypeId: typeId });
  login = await operator.password(deviceId);
}, 360_000);
afterEach(async () => {
  await stop('SIGTERM');
  printed = '';
});
afterAll(async () => {
  await service.stop();
  service.remove();
  rmSync(dir, { recursive: true, force: true });
}, 60_000);

/** @returns undefined where the process has ended meanwhile */
function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}
/** Of this device: what runs with its folder in its environment. */
function processes(): { pid: number; command: string }[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      const [environment, command] = ['environ', 'cmdline'].map((name) => textOf(`/proc/${pid}/${name}`));
      return environment?.includes(`SLIPWAY_DIR=${dir}`)
        ? [{ pid: Number(pid), command: (command ?? '').replaceAll('\0', ' ') }]
        : [];
    });
}
/** The script alone, as the kernel's out-of-memory killer does. */
function kill(): void {
  process.kill(device!.pid!, 'SIGKILL');
}
function start(more: Record<string, string> = {}): void {
  const { hostname, port } = new URL(service.endpoints.mqtt);
  // A group of its own: whatever it has started ends with it.
  device = spawn(SCRIPT, {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      SLIPWAY_HOST: hostname,
      SLIPWAY_PORT: port,
      SLIPWAY_USERNAME: login.username,
      SLIPWAY_PASSWORD: login.password,
      SLIPWAY_DIR: dir,
      ...more,
    },
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
async function upload(version: string, size: number): Promise<{ firmwareId: string; sha256: string; size: number }> {
  const bytes = randomBytes(size);
  const file = path(`${version.replaceAll(/[^\w.]/g, '_')}.bin`);
  writeFileSync(file, bytes);
  const firmwareId = await service.operator.firmware('shell', version, file);
  await service.operator.associate(typeId, 'firmware', firmwareId);
  return { firmwareId, sha256: digest(bytes), size };
}
const TERMS = {
  timeouts: { offer: 'PT30S', download: 'PT60S', install: 'PT60S', confirm: 'PT30S' },
  retry: { maxAttempts: 3, backoff: { first: 'PT1S' } },
};
const install = (firmwareId: string, also: object = {}) =>
  service.operator.install(deviceId, { firmwareId, slot: 'firmware', allowDowngrade: true, ...TERMS, ...also });
const ended = (id: string) =>
  until(
    `the end of the installation; the device printed:\n${printed}`,
    async () => {
      const one = await service.operator.installation(deviceId, id);
      return (one.completedAt ?? one.rejectedAt) ? one : undefined;
    },
    60_000,
  );

describe('The device in shell', () => {
  it('has as many lines as the guide says, and needs the tools that its head names', () => {
    const lines = readFileSync(SCRIPT, 'utf8').trimEnd().split('\n');
    expect(readFileSync('docs/device-guide.md', 'utf8')).toContain(`is a whole device in ${lines.length} lines`);
    for (const tool of TOOLS) expect(lines[1]).toContain(tool);
    execFileSync('bash', ['-n', SCRIPT]);
  });

  it('installs what the real service offers, and ends as `installed`, with the slot showing it', async () => {
    const { firmwareId, sha256 } = await upload('1.1.0', 700_000);
    start();
    const { id } = await install(firmwareId);
    const end = await ended(id);
    expect([end.state, end.attempt]).toEqual(['installed', 1]);
    expect(end.history.map(({ event }) => event)).toEqual(
      expect.arrayContaining(['delivered', 'accepted', 'downloaded', 'rebooting', 'installed']),
    );
    expect(digest(readFileSync(path('current')))).toBe(sha256);
    expect(JSON.stringify(await service.operator.slots(deviceId))).toContain(sha256);
    await until('the receipt for the outcome', () => !existsSync(path('unacknowledged')));
  }, 90_000);

  it('is online while it runs, and leaves a last will for when it is killed with -9', async () => {
    const online = async () =>
      (await service.operator.call<{ online: boolean }>('GET', `/v1/devices/${deviceId}`)).online;
    start();
    await until('it is online', online, 60_000);
    kill();
    await until('it is offline', async () => !(await online()), 60_000);
    // What any broker gets of it.
    const broker = await startEmbeddedBroker({
      host: '127.0.0.1',
      port: 0,
      authenticate: async (name) => ({
        identity: name === 'service' ? { kind: 'service' } : { kind: 'device', tenant: 'default', node: deviceId },
      }),
      log: { debug: () => undefined, info: () => undefined, warn: () => undefined },
    });
    const seen: { online: boolean; session: string }[] = [];
    const observer = await mqtt.connectAsync(`mqtt://127.0.0.1:${broker.port}`, { username: 'service', password: 's' });
    observer.on('message', (_, payload) => void seen.push(JSON.parse(payload.toString()) as (typeof seen)[number]));
    await observer.subscribeAsync('slipway/v1/+/+/+/up/presence', { qos: 1 });
    try {
      start({ SLIPWAY_HOST: '127.0.0.1', SLIPWAY_PORT: String(broker.port) });
      await until('its presence', () => seen.some((one) => one.online), 60_000);
      kill();
      const { session } = seen.find((one) => one.online)!;
      await until('its last will', () => seen.some((one) => !one.online && one.session === session), 60_000);
    } finally {
      await observer.endAsync(true);
      await broker.close();
    }
  }, 180_000);

  it('takes no file name from a document: what is not a SHA-256 is refused', async () => {
    const name = `slipway-victim-${process.pid}`;
    const victim = path(`${name}.part`);
    writeFileSync(victim, 'a file of another program');
    const broker = await startEmbeddedBroker({
      host: '127.0.0.1',
      port: 0,
      authenticate: async (user) => ({
        identity: user === 'service' ? { kind: 'service' } : { kind: 'device', tenant: 'default', node: deviceId },
      }),
      log: { debug: () => undefined, info: () => undefined, warn: () => undefined },
    });
    const observer = await mqtt.connectAsync(`mqtt://127.0.0.1:${broker.port}`, { username: 'service', password: 's' });
    try {
      const document = {
        v: 1,
        installationId: 'x',
        revision: 1_000_000,
        attempt: 1,
        slot: 'firmware',
        gate: 'go',
        firmware: { name: 'x', version: '1', sha256: `../${name}`, size: 4 },
        download: { url: 'http://127.0.0.1:1/' },
      };
      const topic = `slipway/v1/default/${deviceId}/${deviceId}/down/desired/firmware`;
      await observer.publishAsync(topic, JSON.stringify(document), { qos: 1, retain: true });
      start({ SLIPWAY_HOST: '127.0.0.1', SLIPWAY_PORT: String(broker.port), SLIPWAY_DIR: path('strange') });
      await until('its refusal', () => printed.includes('HASH_UNSUPPORTED'), 60_000);
      expect(existsSync(victim)).toBe(true);
    } finally {
      await stop('SIGKILL');
      await observer.endAsync(true);
      await broker.close();
      rmSync(victim, { force: true });
    }
  }, 120_000);

  it('continues after kill -9 in the middle of a download with what it has, and installs once', async () => {
    const { firmwareId, sha256, size } = await upload('1.2.0', 3_000_000);
    // Half of it is there, as it would be after a broken download.
    const half = readFileSync(path('1.2.0.bin')).subarray(0, size / 2);
    writeFileSync(path(`${sha256}.part`), half);
    const { id } = await install(firmwareId);
    start();
    await until('the download', () => printed.includes('"state":"downloading"'));
    await stop('SIGKILL');
    start();
    expect((await ended(id)).state).toBe('installed');
    expect(digest(readFileSync(path('current')))).toBe(sha256);
  }, 90_000);

  it('removes a download with another SHA-256 before it touches the slot, reports HASH_MISMATCH, and the next attempt is good', async () => {
    const before = digest(readFileSync(path('current')));
    const { firmwareId, sha256 } = await upload('1.3.0', 400_000);
    writeFileSync(path(`${sha256}.part`), Buffer.alloc(200_000, 7));
    start();
    const { id } = await install(firmwareId, { gate: 'hold' });
    const held = await until(
      'the second attempt at the gate',
      async () => {
        const one = await service.operator.installation(deviceId, id);
        return one.state === 'downloaded' && one.attempt === 2 && one;
      },
      60_000,
    );
    expect(JSON.stringify(held.history)).toContain('HASH_MISMATCH');
    expect(digest(readFileSync(path('current')))).toBe(before);
    await service.operator.call('POST', `/v1/devices/${deviceId}/firmware-installations/${id}/release`);
    expect((await ended(id)).state).toBe('installed');
    expect(digest(readFileSync(path('current')))).toBe(sha256);
  }, 90_000);

  it('answers a cancellation while it waits at the gate', async () => {
    const { firmwareId } = await upload('1.4.0', 50_000);
    start();
    const { id } = await install(firmwareId, { gate: 'hold' });
    await until(
      'the gate',
      async () => (await service.operator.installation(deviceId, id)).state === 'downloaded',
      60_000,
    );
    await service.operator.call('POST', `/v1/devices/${deviceId}/firmware-installations/${id}/cancel`, {
      reason: 'not today',
    });
    const end = await ended(id);
    expect([end.state, end.history.at(-1)?.data['by']]).toEqual(['canceled', `device:${deviceId}`]);
  }, 90_000);

  it('leaves no curl behind when it is killed with -9 in a download, and loses no attempt', async () => {
    const { firmwareId, sha256 } = await upload('1.5.0', 6_000_000);
    writeFileSync(path('.curlrc'), 'limit-rate = 300k');
    start({ CURL_HOME: dir });
    const { id } = await install(firmwareId);
    const running = () => processes().filter(({ command }) => command.includes(`${sha256}.part`));
    await until('the download', () => existsSync(path(`${sha256}.part`)) && running().length > 0, 120_000);
    kill();
    await until('the end of curl', () => running().length === 0);
    rmSync(path('.curlrc'));
    start();
    const end = await ended(id);
    expect([end.state, end.attempt]).toEqual(['installed', 1]);
    expect(digest(readFileSync(path('current')))).toBe(sha256);
  }, 180_000);

  it('shows its password to no other user of the machine, and its signed link neither', async () => {
    const { firmwareId } = await upload('1.6.0', 2_000_000);
    // A curl that waits until it was seen: on a busy machine a download is over between two looks.
    mkdirSync(path('bin'));
    const wait = 'until [ -e "$SLIPWAY_DIR/seen" ]; do sleep 0.1; done';
    writeFileSync(path('bin/curl'), `#!/bin/sh\n${wait}\nexec ${requireProgram('curl', 'debian')} "$@"\n`, {
      mode: 0o755,
    });
    start({ PATH: `${path('bin')}:${process.env['PATH'] ?? ''}` });
    const { id } = await install(firmwareId);
    let seen = '';
    await until(
      'curl and mosquitto_sub',
      () => {
        seen += processes()
          .map(({ command }) => `${command}\n`)
          .join('');
        return ['curl ', 'mosquitto_sub '].every((tool) => seen.includes(tool));
      },
      60_000,
    );
    writeFileSync(path('seen'), '');
    expect((await ended(id)).state).toBe('installed');
    expect(seen).not.toContain(login.password);
    expect(seen).not.toContain('signature=');
    for (const name of ['pub', 'sub']) expect(statSync(path(`login/mosquitto_${name}`)).mode & 0o777).toBe(0o600);
  }, 180_000);

  it('is not made deaf by files that a power cut left empty', async () => {
    for (const name of ['revision', 'held', 'job', 'unacknowledged']) writeFileSync(path(name), '');
    const { firmwareId, sha256 } = await upload('1.7.0', 10_000);
    start();
    expect((await ended((await install(firmwareId)).id)).state).toBe('installed');
    expect(digest(readFileSync(path('current')))).toBe(sha256);
  }, 90_000);

  it('gives up a partial download that is longer than the file', async () => {
    const { firmwareId, sha256, size } = await upload('1.8.0', 60_000);
    writeFileSync(path(`${sha256}.part`), Buffer.alloc(size + 1, 7));
    start();
    const end = await ended((await install(firmwareId)).id);
    expect([end.state, end.attempt]).toEqual(['installed', 1]);
    expect(digest(readFileSync(path('current')))).toBe(sha256);
  }, 90_000);

  it.each(['2.0 "beta", the \\ one', "it's $HOME `x` {} ,", 'größer'])(
    'installs the version %s',
    async (version) => {
      const { firmwareId, sha256 } = await upload(version, 5_000);
      start();
      expect((await ended((await install(firmwareId)).id)).state).toBe('installed');
      const { version: held } = JSON.parse(readFileSync(path('held'), 'utf8')) as { version: string };
      expect(held).toBe(version);
      await until('the receipt for the outcome', () => !existsSync(path('unacknowledged')));
      expect(JSON.stringify(await service.operator.slots(deviceId))).toContain(sha256);
    },
    90_000,
  );
});
