import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { readdir, rm } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openS3Blobs } from '../../adapters/blobs/s3.js';
import { removeMarkedPieces, sweepUploads } from '../../api/routes/upload-pieces.js';
import { holdLease, type Fence } from '../../store/db/leases.js';
import { asService } from '../../store/db/transaction.js';
import { beginRemovalOfTenant, removeTenants } from '../../store/commands/remove-tenant.js';
import { changeTenant } from '../../store/commands/tenants.js';
import { expireDrafts } from '../../store/fleet/firmwares.js';
import { until } from '../support/until.js';
import { TestedS3 } from '../support/versitygw.js';
import { startApi, type ApiUnderTest } from './api-under-test.js';
import { begun, TusClient, VERSION } from './resumed.js';
import { attach, newFirmware } from './upload.js';

const MIB = 2 ** 20;
const LIFETIME_MS = 24 * 3_600_000;
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

describe.each(['disk', 's3'] as const)('An upload that resumes, to %s,', (kind) => {
  let api: ApiUnderTest;
  let tus: TusClient;
  let s3: TestedS3 | undefined;
  let clock = Date.now;
  beforeAll(async () => {
    if (kind === 's3') {
      s3 = await TestedS3.start();
      Object.assign(process.env, s3.settings);
    }
    api = await startApi(`api_resumed_${kind}`, {
      services: {
        now: () => clock(),
        uploads: { maxBytes: 64 * MIB },
        ...(s3 ? { blobs: openS3Blobs({ bucket: s3.bucket, endpoint: s3.endpoint }) } : {}),
      },
    });
    tus = new TusClient(api.url, api.token);
  }, 60_000);
  afterAll(async () => {
    await api.close();
    await s3?.close();
  });

  const shown = async (firmware: string) =>
    (await api.call('GET', `/v1/firmwares/${firmware}`)).body.data as Record<string, unknown>;
  const leftOver = async (): Promise<number> => {
    const { rows } = await api.pool.query<{ name: string }>('SELECT name FROM firmware_upload_pieces');
    return rows.length;
  };

  it('continues where it was cut, in several pieces, and the firmware is ready with the last byte', async () => {
    const bytes = randomBytes(20 * MIB + 17);
    const [firmware, path] = await begun(api, tus, bytes.length);
    await tus.cut(path, 0, bytes, 9 * MIB + 5);
    await until('what arrived is kept', async () => (await tus.offset(path)) > 8 * MIB);
    const at = await tus.offset(path);
    expect(at).toBeLessThanOrEqual(9 * MIB + 5);
    expect(await shown(firmware)).toMatchObject({ state: 'draft', blobAttached: false });
    expect(await tus.send(path, at, bytes.subarray(at, at + 1000))).toMatchObject({ status: 204 });
    expect(await tus.send(path, at + 1000, bytes.subarray(at + 1000))).toMatchObject({ status: 204 });
    expect(await tus.offset(path)).toBe(bytes.length);
    expect(await shown(firmware)).toMatchObject({ state: 'ready', size: bytes.length, sha256: sha256(bytes) });
    expect(await api.services.blobs.stat(sha256(bytes))).toEqual({ size: bytes.length });
    expect(await leftOver()).toBe(0);
  });

  it('refuses what begins elsewhere with 409, and of two at once at the same place one counts', async () => {
    const bytes = randomBytes(3000);
    const [, path] = await begun(api, tus, bytes.length);
    expect(await tus.send(path, 1000, bytes.subarray(1000))).toMatchObject({
      status: 409,
      body: { errorCode: 'FIRMWARE_UPLOAD_OFFSET', uploadOffset: 0 },
    });
    const both = await Promise.all([1, 2].map(() => tus.send(path, 0, bytes.subarray(0, 1000))));
    expect(both.map(({ status }) => status).sort()).toEqual([204, 409]);
    const ends = await Promise.all([1, 2].map(() => tus.send(path, 1000, bytes.subarray(1000))));
    expect(ends.map(({ status }) => status).sort()).toEqual([204, 409]);
    expect(await tus.offset(path)).toBe(3000);
  });

  it('finishes by the rule of the plain upload: the first that is complete wins, the others are 423 and gone', async () => {
    const [firmware, path] = await begun(api, tus, 2000);
    expect((await tus.send(path, 0, randomBytes(1000))).status).toBe(204);
    expect((await attach(api, firmware, randomBytes(10))).status).toBe(200);
    expect(await tus.send(path, 1000, randomBytes(1000))).toMatchObject({
      status: 423,
      body: { errorCode: 'FIRMWARE_BLOB_EXISTS' },
    });
    const again = await tus.ask('POST', `/v1/firmwares/${firmware}/uploads`, { ...VERSION, 'upload-length': '5' });
    expect(again.status).toBe(423);
    const [other, first] = await begun(api, tus, 500);
    const second = await tus.begin(other, 500);
    const both = await Promise.all([first, second].map((one) => tus.send(one, 0, randomBytes(500))));
    expect(both.map(({ status }) => status).sort()).toEqual([204, 423]);
    await sweepUploads(api.services, LIFETIME_MS);
    expect((await tus.ask('HEAD', path, VERSION)).status).toBe(404);
    expect(await leftOver()).toBe(0);
  });

  it('of other bytes than the firmware was created for is 422, and is gone', async () => {
    const firmware = await newFirmware(api, { sha256: sha256(Buffer.from('right')) });
    const path = await tus.begin(firmware, 5);
    expect(await tus.send(path, 0, Buffer.from('wrong'))).toMatchObject({
      status: 422,
      body: { errorCode: 'FIRMWARE_BLOB_MISMATCH' },
    });
    expect((await tus.ask('HEAD', path, VERSION)).status).toBe(404);
    const sized = await newFirmware(api, { size: 5 });
    const refused = await tus.ask('POST', `/v1/firmwares/${sized}/uploads`, { ...VERSION, 'upload-length': '6' });
    expect(refused.status).toBe(422);
  });

  it('expires, and its firmware stays a draft until then', async () => {
    const [firmware, path] = await begun(api, tus, 2000);
    expect((await tus.send(path, 0, randomBytes(1000))).status).toBe(204);
    clock = () => Date.now() + LIFETIME_MS - 60_000;
    await expireDrafts(api.pool, api.services.draftLifetimeMs, clock());
    expect((await shown(firmware))['state']).toBe('draft');
    expect(await tus.offset(path)).toBe(1000);
    clock = () => Date.now() + LIFETIME_MS + 60_000;
    expect((await tus.send(path, 1000, randomBytes(1000))).status).toBe(404);
    expect(await leftOver()).toBe(1);
    clock = () => Date.now() + LIFETIME_MS + 3_700_000;
    expect(await sweepUploads(api.services, LIFETIME_MS)).toBeGreaterThan(0);
    expect(await leftOver()).toBe(0);
    expect((await shown(firmware))['state']).toBe('expired');
    clock = Date.now;
  });

  it('goes with its tenant: its pieces leave the store, and those of others stay', async () => {
    const { pool, services } = api;
    const bytes = randomBytes(1000);
    const [, path] = await begun(api, tus, 2000);
    expect((await tus.send(path, 0, bytes)).status).toBe(204);
    const tenantId = `going-${kind}`;
    const owner = await api.as({ tenantId });
    const theirs = new TusClient(api.url, owner.token);
    const [, other] = await begun(owner, theirs, 2000);
    expect((await theirs.send(other, 0, bytes)).status).toBe(204);
    const { rows } = await pool.query<{ tenant_id: string; name: string }>(
      'SELECT tenant_id, name FROM firmware_upload_pieces',
    );
    const nameOf = (tenant: string) => rows.find((row) => row.tenant_id === tenant)!.name;
    const [stays, goes] = [nameOf('default'), nameOf(tenantId)];

    await asService(pool, async (tx) => {
      await changeTenant(tx, tenantId, { state: 'suspended' });
      await beginRemovalOfTenant(tx, tenantId);
    });
    const epoch = await holdLease(pool, 'bridge', 'test', 3_600_000);
    const fence: Fence = { name: 'bridge', holder: 'test', epoch: epoch! };
    for await (const page of removeTenants(pool, fence)) void page;
    expect(await leftOver()).toBe(1);
    expect(await removeMarkedPieces(services)).toBe(1);
    expect(await removeMarkedPieces(services)).toBe(0);
    expect(await services.blobs.pieces.open(goes)).toBeUndefined();
    expect(await buffer((await services.blobs.pieces.open(stays))!)).toEqual(bytes);
  });
});

describe('An upload that resumes', () => {
  let api: ApiUnderTest;
  let tus: TusClient;
  let room = 10 * 1024 * MIB;
  beforeAll(async () => {
    api = await startApi('api_resumed_rules', {
      services: { uploads: { maxBytes: 64 * MIB, minFreeBytes: 1024 * MIB } },
    });
    api.services.blobs.room = async () => room;
    tus = new TusClient(api.url, api.token);
  });
  afterAll(() => api.close());

  it('says what it speaks', async () => {
    const { status, headers } = await tus.ask('OPTIONS', `/v1/firmwares/${randomUUID()}/uploads`, {});
    expect([status, headers.get('tus-version'), headers.get('tus-extension'), headers.get('tus-max-size')]).toEqual([
      204,
      '1.0.0',
      'creation,termination,expiration',
      String(64 * MIB),
    ]);
    const [firmware, path] = await begun(api, tus, 100);
    for (const version of [{}, { 'tus-resumable': '0.2.2' }]) {
      for (const [method, at] of [
        ['POST', `/v1/firmwares/${firmware}/uploads`],
        ['HEAD', path],
        ['DELETE', path],
      ] as const)
        expect((await tus.ask(method, at, version)).status).toBe(412);
    }
  });

  it('repeats what was said of it, and shows where it stands to GET as well', async () => {
    const firmware = await newFirmware(api);
    const said = 'filename c3dpdGNoLmJpbg==,empty';
    const path = await tus.begin(firmware, 100, { 'upload-metadata': said });
    const { headers } = await tus.ask('HEAD', path, VERSION);
    expect([headers.get('upload-metadata'), headers.get('upload-length')]).toEqual([said, '100']);
    expect(new Date(headers.get('upload-expires')!).getTime()).toBeGreaterThan(Date.now() + 23 * 3_600_000);
    expect((await api.call('GET', path)).body.data).toMatchObject({ firmwareId: firmware, length: 100, offset: 0 });
  });

  it.each([
    ['no length', {}],
    ['a length of nothing', { 'upload-length': '0' }],
    ['a length that is none', { 'upload-length': '1e3' }],
    ['a length that comes later', { 'upload-defer-length': '1' }],
    ['metadata that cannot be read', { 'upload-length': '5', 'upload-metadata': 'filename not Base64' }],
  ])('with %s is 400', async (_what, headers) => {
    const path = `/v1/firmwares/${await newFirmware(api)}/uploads`;
    expect(await tus.ask('POST', path, { ...VERSION, ...headers })).toMatchObject({
      status: 400,
      body: { errorCode: 'FIRMWARE_VALIDATION' },
    });
  });

  it('that is too large is 413, and one that leaves too little room 507', async () => {
    const firmware = await newFirmware(api);
    const create = (length: number) =>
      tus.ask('POST', `/v1/firmwares/${firmware}/uploads`, { ...VERSION, 'upload-length': String(length) });
    expect((await create(65 * MIB)).status).toBe(413);
    const path = await tus.begin(firmware, 2000);
    expect((await tus.send(path, 0, randomBytes(2001))).status).toBe(413);
    room = 1025 * MIB;
    expect((await create(2 * MIB)).status).toBe(507);
    room = 1023 * MIB;
    expect((await tus.send(path, 0, randomBytes(1000))).status).toBe(507);
    room = 10 * 1024 * MIB;
    expect((await tus.send(path, 0, randomBytes(2000))).status).toBe(204);
  });

  it('needs the permission, and is 404 to another tenant, at another firmware, and once it was given up', async () => {
    const [firmware, path] = await begun(api, tus, 2000);
    const reader = new TusClient(api.url, (await api.as({ role: 'reader' })).token);
    const foreign = new TusClient(api.url, (await api.as({ tenantId: 'foreign' })).token);
    const other = path.replace(firmware, await newFirmware(api));
    expect((await reader.send(path, 0, randomBytes(10))).status).toBe(403);
    for (const [client, at] of [
      [foreign, path],
      [tus, other],
      [tus, path.replace(/[^/]+$/, randomUUID())],
    ] as const) {
      expect((await client.ask('HEAD', at, VERSION)).status).toBe(404);
      expect((await client.send(at, 0, randomBytes(10))).status).toBe(404);
      expect((await client.ask('DELETE', at, VERSION)).status).toBe(404);
    }
    const created = await foreign.ask('POST', `/v1/firmwares/${firmware}/uploads`, {
      ...VERSION,
      'upload-length': '5',
    });
    expect(created).toMatchObject({ status: 403, body: { errorCode: 'FIRMWARE_NO_ACCESS_TO_RESOURCE' } });
    expect((await tus.send(path, 0, randomBytes(1000))).status).toBe(204);
    expect((await tus.ask('DELETE', path, VERSION)).status).toBe(204);
    expect((await tus.ask('HEAD', path, VERSION)).status).toBe(404);
    expect(await readdir(`${api.folder}/unfinished`)).toEqual([]);
  });

  it('counts in the quota of bytes from its announcement on, and once it is finished no more than once', async () => {
    await api.as({ tenantId: 'small' });
    await api.pool.query(`UPDATE tenants SET quotas = '{"bytes": 3000}' WHERE id = 'small'`);
    const client = await api.as({ tenantId: 'small' });
    const small = new TusClient(api.url, client.token);
    const [, path] = await begun(client, small, 2000);
    const create = async () =>
      small.ask('POST', `/v1/firmwares/${await newFirmware(client)}/uploads`, { ...VERSION, 'upload-length': '1500' });
    expect(await create()).toMatchObject({ status: 429, body: { errorCode: 'TENANT_QUOTA', usage: 2000 } });
    expect((await small.send(path, 0, randomBytes(2000))).status).toBe(204);
    expect(await create()).toMatchObject({ status: 429, body: { usage: 2000 } });
    expect((await attach(client, await newFirmware(client), randomBytes(1000))).status).toBe(200);
  });

  it('whose pieces are lost is 404 and is begun anew', async () => {
    const [, path] = await begun(api, tus, 2000);
    expect((await tus.send(path, 0, randomBytes(1000))).status).toBe(204);
    for (const name of await readdir(`${api.folder}/unfinished`)) await rm(`${api.folder}/unfinished/${name}`);
    expect((await tus.send(path, 1000, randomBytes(1000))).status).toBe(404);
    expect((await tus.ask('HEAD', path, VERSION)).status).toBe(404);
  });

  it('takes a PATCH that comes as POST, where a proxy passes no other', async () => {
    const [firmware, path] = await begun(api, tus, 4);
    const headers = {
      ...VERSION,
      'x-http-method-override': 'PATCH',
      'upload-offset': '0',
      'content-type': 'application/offset+octet-stream',
    };
    expect((await tus.ask('POST', path, headers, Buffer.from('four'))).status).toBe(204);
    expect((await api.call('GET', `/v1/firmwares/${firmware}`)).body.data.state).toBe('ready');
  });
});
