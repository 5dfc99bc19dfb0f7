import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startApi, type ApiUnderTest } from '../api/api-under-test.js';
import { DdiClient } from '../api/ddi/ddi-client.js';
import { HawkbitServer, type Held } from './hawkbit-server.js';

const PROGRAM = new URL('../../dist/cli/slipway/main.js', import.meta.url).pathname;
const TARGETS = 1_000;
/** Of the runs that are not about how many there are. */
const FEW = 100;
const OS_IMAGE = randomBytes(300_000);
const PASSWORD = 'a secret: of hawkBit';

const controllerOf = (at: number) => `device-${String(at).padStart(5, '0')}`;
const hex = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
const tokenOf = (at: number) => createHash('md5').update(`token ${at}`).digest('hex');

function hawkbitOf(count: number): Held {
  return {
    targets: Array.from({ length: count }, (_, at) => ({
      controllerId: controllerOf(at),
      name: `Device ${at}`,
      securityToken: tokenOf(at),
      ...(at % 10 === 0 ? { targetType: 1, targetTypeName: 'Gateway' } : {}),
      ...(at % 2 === 0 ? { attributes: { hwRevision: String(at % 4), 'device id': `A-${at}` } } : {}),
      ...(at % 100 === 0 ? { tags: [1, 2] } : {}),
    })),
    tags: [
      { id: 1, name: 'north' },
      { id: 2, name: 'Süd 2' },
    ],
    modules: [
      { id: 1, name: 'system', version: '1.0.0', type: 'os', typeName: 'OS', files: { 'system.swu': OS_IMAGE } },
      {
        id: 2,
        name: 'app',
        version: '3',
        type: 'application',
        typeName: 'App',
        files: { 'app.bin': randomBytes(1000) },
      },
      {
        id: 3,
        name: 'app',
        version: '4',
        type: 'application',
        typeName: 'App',
        files: { a: randomBytes(9), b: randomBytes(9) },
      },
      { id: 4, name: 'empty', version: '1', type: 'os', typeName: 'OS', files: {} },
      {
        id: 5,
        name: 'sealed',
        version: '1',
        type: 'os',
        typeName: 'OS',
        encrypted: true,
        files: { s: randomBytes(9) },
      },
      { id: 6, name: 'loose', version: '1', type: 'os', typeName: 'OS', files: { 'l.swu': randomBytes(9) } },
    ],
    sets: [
      { id: 1, name: 'all', version: '1', type: 'os_app', modules: [1, 2] },
      { id: 2, name: 'app', version: '4', type: 'app', modules: [3] },
    ],
    targetTypes: [{ id: 1, name: 'Gateway', fits: ['os_app'] }],
  };
}

describe('slipway import hawkbit', () => {
  const all = hawkbitOf(TARGETS);
  const held = { ...all, targets: all.targets.slice(0, FEW) };
  let api: ApiUnderTest;
  let hawkbit: HawkbitServer;
  beforeAll(async () => {
    api = await startApi('hawkbit_import', { runsJobs: true });
    hawkbit = await HawkbitServer.start(held);
  }, 60_000);
  afterAll(async () => {
    await hawkbit.close();
    await api.close();
  }, 60_000);

  interface Ran {
    code: number | null;
    rows: Record<string, string | number>[];
    said: string;
  }
  const slipway = (more: readonly string[] = [], password = PASSWORD, url = hawkbit.url): Promise<Ran> =>
    new Promise((resolve) => {
      const line = ['import', 'hawkbit', '--url', url, '--user', 'admin', '-o', 'json', ...more];
      const child = spawn(process.execPath, [PROGRAM, ...line], {
        env: { ...process.env, SLIPWAY_URL: api.url, SLIPWAY_TOKEN: api.token, HAWKBIT_PASSWORD: password },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      const [out, said] = [[] as Buffer[], [] as Buffer[]];
      child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
      child.stderr.on('data', (chunk: Buffer) => said.push(chunk));
      child.on('close', (code) => {
        const printed = Buffer.concat(out).toString();
        resolve({ code, rows: printed === '' ? [] : JSON.parse(printed), said: Buffer.concat(said).toString() });
      });
    });
  const countOf = async (query = '') =>
    (await api.call('GET', `/v1/devices?pageSize=1${query}`)).body.meta.itemsTotal as number;
  const listOf = async (path: string) => (await api.call('GET', path)).body.data as { id: string }[];

  it('says what is wrong with the address and the password, and what to do', async () => {
    expect(await slipway([], 'wrong')).toMatchObject({ code: 5, said: expect.stringMatching(/does not let admin in/) });
    expect(await slipway([], PASSWORD, 'http://127.0.0.1:1')).toMatchObject({
      code: 6,
      said: expect.stringMatching(/hawkBit does not answer at .*\nCheck --url/),
    });
  }, 60_000);

  it('forecasts with --dry-run, and writes nothing', async () => {
    const { code, rows, said } = await slipway(['--dry-run']);
    expect({ code, rows }).toEqual({
      code: 0,
      rows: [
        { kind: 'device types', found: 2, there: 0 },
        { kind: 'firmwares', found: 5, there: 0 },
        { kind: 'devices', found: FEW, there: 0 },
        { kind: 'tokens', found: FEW, there: 0 },
      ],
    });
    for (const sentence of [
      /software module app 4 has 2 files/,
      /software module empty 1 has no file/,
      /software module sealed 1 is encrypted/,
      /loose 1 is in no distribution set/,
      /The tag "Süd 2" is called S-d-2 here/,
    ])
      expect(said).toMatch(sentence);
    expect(await countOf()).toBe(0);
    expect(await listOf('/v1/device-types')).toEqual([]);
  }, 120_000);

  it('continues where it was broken off', async () => {
    hawkbit.breaksAt = /artifacts\/1\/download/;
    expect(await slipway()).toMatchObject({ code: 6, said: expect.stringMatching(/hawkBit answers 500/) });
    hawkbit.breaksAt = undefined;
    expect(await countOf()).toBe(0);
  }, 120_000);

  it('makes types, firmwares, associations, devices and their tokens, so that none needs a new configuration', async () => {
    held.targets = all.targets;
    const { code, rows, said } = await slipway();
    expect({ code, rows, said: code === 0 ? '' : said }).toEqual({
      code: 0,
      rows: [
        // The run before had made them.
        { kind: 'device types', made: 0, there: 2, failed: 0 },
        { kind: 'firmwares', made: 5, there: 0, failed: 0 },
        { kind: 'associations', made: 6, there: 0, failed: 0 },
        { kind: 'devices', made: TARGETS, there: 0, failed: 0 },
        { kind: 'tokens', made: TARGETS, there: 0, failed: 0 },
      ],
      said: '',
    });
    expect(await countOf()).toBe(TARGETS);
    expect(await countOf('&filter=attribute.reported.hwRevision==2')).toBe(TARGETS / 4);
    expect(await countOf('&filter=tag==S-d-2')).toBe(TARGETS / 100);
    expect(await countOf('&filter=deviceType.name==Gateway')).toBe(TARGETS / 10);
    const types = await listOf('/v1/device-types?name=hawkBit');
    expect(types).toMatchObject([{ slots: { os: { name: 'OS' }, application: { name: 'App', part: 'bApp' } } }]);
    const [system] = await listOf('/v1/firmwares?name=system');
    expect(system).toMatchObject({ version: '1.0.0', sha256: hex(OS_IMAGE), labels: { fileName: 'system.swu' } });
  }, 300_000);

  it('lets a device in with the token that it has, and offers it what it was made for', async () => {
    const last = controllerOf(TARGETS - 1);
    const device = new DdiClient(`${api.url}/DEFAULT/controller/v1/${last}`, `TargetToken ${tokenOf(TARGETS - 1)}`);
    expect((await device.call('GET', '')).status).toBe(200);
    const other = new DdiClient(device.base, `TargetToken ${tokenOf(0)}`);
    expect((await other.call('GET', '')).status).toBe(401);
    const [made] = await listOf(`/v1/devices?filter=name=="Device ${TARGETS - 1}"`);
    const [system] = await listOf('/v1/firmwares?name=system');
    const asked = { firmwareId: system!.id, slot: 'os' };
    expect((await api.call('POST', `/v1/devices/${made!.id}/firmware-installations`, asked)).status).toBe(201);
  }, 60_000);

  it('can be repeated: it makes what is new, and leaves what is there', async () => {
    held.targets = all.targets.slice(0, FEW);
    held.targets.push({ controllerId: 'new.one', name: 'New', securityToken: 'short' });
    held.targets.push({ controllerId: 'device-new', name: 'New', securityToken: 'a b' });
    held.targets[1] = { ...held.targets[1]!, securityToken: 'another-token' };
    const { code, rows, said } = await slipway();
    expect({ code, rows, said: code === 0 ? '' : said }).toEqual({
      code: 0,
      rows: [
        { kind: 'device types', made: 0, there: 2, failed: 0 },
        { kind: 'firmwares', made: 0, there: 5, failed: 0 },
        { kind: 'associations', made: 0, there: 6, failed: 0 },
        { kind: 'devices', made: 2, there: FEW, failed: 0 },
        { kind: 'tokens', made: 3, there: FEW - 1, failed: 0 },
      ],
      said: '',
    });
    for (const token of [tokenOf(1), 'another-token']) {
      const device = new DdiClient(`${api.url}/DEFAULT/controller/v1/${controllerOf(1)}`, `TargetToken ${token}`);
      expect((await device.call('GET', '')).status).toBe(200);
    }
    const blank = new DdiClient(`${api.url}/DEFAULT/controller/v1/device-new`, 'TargetToken a b');
    expect((await blank.call('GET', '')).status).toBe(200);
  }, 300_000);
});
