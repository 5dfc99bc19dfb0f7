import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DEFAULT_POLICY } from '../../domain/installation/policy.js';
import { installationDownloadUrl } from '../../protocol/http/download-links.js';
import { readLinkSigner } from '../../store/fleet/downloads.js';
import { expireDrafts } from '../../store/fleet/firmwares.js';
import { createInstallation, report } from '../../store/commands/create-installation.js';
import { asService, asTenant } from '../../store/db/transaction.js';
import { startApi, type ApiUnderTest, type Client } from './api-under-test.js';
import { attach, newFirmware, OCTETS, SlowUpload, unfinished, until, uploaded } from './upload.js';

let api: ApiUnderTest;
let other: Client;
/** How far the service's clock runs ahead. */
let ahead = 0;
beforeAll(async () => {
  api = await startApi('api_firmwares', { services: { now: () => Date.now() + ahead, draftLifetimeMs: 300_000 } });
  other = await api.as({ tenantId: 'other' });
});
afterAll(() => api.close());

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

describe('a firmware', () => {
  it('has neither size nor hashes nor downloadUrl until its blob is attached', async () => {
    const made = await api.call('POST', '/v1/firmwares', { name: 'Light switch' });
    expect(made.status).toBe(201);
    expect(made.body.data).toEqual({
      id: expect.any(String),
      tenantId: 'default',
      name: 'Light switch',
      description: null,
      version: null,
      blobAttached: false,
      state: 'draft',
      contentType: 'application/octet-stream',
      labels: {},
      createdBy: 'key:bootstrap',
      createdAt: expect.any(String),
      updatedAt: expect.any(String),
    });
    expect((await api.call('GET', `/v1/firmwares/${made.body.data.id}`)).body).toEqual(made.body);
  });

  it('shows size, multihash and a downloadUrl that works by itself once its blob is attached', async () => {
    const bytes = randomBytes(300_000);
    const id = await newFirmware(api, { description: null });
    const attached = await attach(api, id, bytes);
    expect(attached.status).toBe(200);
    expect(Object.keys(attached.body.data)).toEqual(['downloadUrl']);
    const { data } = (await api.call('GET', `/v1/firmwares/${id}`)).body;
    expect(data).toMatchObject({
      blobAttached: true,
      state: 'ready',
      size: 300_000,
      hashes: [`1220${sha256(bytes)}`],
      sha256: sha256(bytes),
    });
    for (const url of [attached.body.data.downloadUrl, data.downloadUrl]) {
      expect(Buffer.from(await (await fetch(url)).arrayBuffer()).equals(bytes)).toBe(true);
    }
  });

  it.each([
    ['no name', {}, '/name'],
    ['an empty name', { name: '' }, '/name'],
    ['a name of 256 characters', { name: 'x'.repeat(256) }, '/name'],
    ['a version of 256 characters', { name: 'x', version: 'v'.repeat(256) }, '/version'],
    ['a member that it makes itself', { name: 'x', state: 'ready' }, '/state'],
    ['a content type with parameters', { name: 'x', contentType: 'text/html; charset=utf-8' }, '/contentType'],
  ])('with %s is refused', async (_what, body, pointer) => {
    const reply = await api.call('POST', '/v1/firmwares', body);
    expect(reply).toMatchObject({ status: 400, body: { errorCode: 'FIRMWARE_VALIDATION', errors: [{ pointer }] } });
  });

  it("is answered with 403 alike where it does not exist, is another tenant's, or the id is invalid", async () => {
    const id = await uploaded(api, randomBytes(10));
    for (const [client, name] of [
      [other, id],
      [api, randomUUID()],
      [api, 'x'],
    ] as const) {
      for (const [method, path, body, headers] of [
        ['GET', ''],
        ['DELETE', ''],
        ['GET', '/blob'],
        ['POST', '/blob', 'x', OCTETS],
      ] as const) {
        expect(await client.call(method, `/v1/firmwares/${name}${path}`, body, headers)).toMatchObject({
          status: 403,
          body: { errorCode: 'FIRMWARE_NO_ACCESS_TO_RESOURCE' },
        });
      }
    }
    expect((await other.call('GET', '/v1/firmwares')).body.data).toEqual([]);
  });

  it('is listed newest first, by page and by cursor', async () => {
    const lister = await api.as({ tenantId: 'lister' });
    const ids: string[] = [];
    for (let n = 0; n < 5; n += 1) ids.unshift(await newFirmware(lister));
    const first = await lister.call('GET', '/v1/firmwares?pageSize=2');
    expect(first.body.meta).toMatchObject({ page: 0, pageSize: 2, nextCursor: expect.any(String) });
    const second = await lister.call('GET', `/v1/firmwares?pageSize=2&cursor=${first.body.meta.nextCursor}`);
    const third = await lister.call('GET', '/v1/firmwares?pageSize=2&page=2');
    expect([first, second, third].flatMap((page) => (page.body.data as { id: string }[]).map((one) => one.id))).toEqual(
      ids,
    );
    expect(third.body.meta.nextCursor).toBeUndefined();
  });

  it('keeps its metadata: there is no PATCH', async () => {
    const reply = await api.call('PATCH', `/v1/firmwares/${await newFirmware(api)}`, { name: 'y' });
    expect(reply.status).toBe(405);
    expect(reply.headers.get('allow')).toBe('GET, DELETE, HEAD');
  });

  it('may only be read by a reader', async () => {
    const reader = await api.as({ role: 'reader' });
    const id = await newFirmware(api);
    expect((await reader.call('GET', `/v1/firmwares/${id}`)).status).toBe(200);
    expect((await reader.call('POST', '/v1/firmwares', { name: 'x' })).status).toBe(403);
    expect(await attach(reader, id)).toMatchObject({ status: 403, body: { errorCode: 'AUTH_FORBIDDEN' } });
  });
});

describe('an upload', () => {
  it('after the first is refused with 423, and the first blob stays', async () => {
    const bytes = randomBytes(1000);
    const id = await uploaded(api, bytes);
    expect(await attach(api, id)).toMatchObject({ status: 423, body: { errorCode: 'FIRMWARE_BLOB_EXISTS' } });
    expect((await api.call('GET', `/v1/firmwares/${id}`)).body.data.sha256).toBe(sha256(bytes));
  });

  it('that races another one: exactly one wins, the other gets 423, and its bytes are gone', async () => {
    const id = await newFirmware(api);
    const contents = Array.from({ length: 4 }, () => randomBytes(400_000));
    const replies = await Promise.all(contents.map((bytes) => attach(api, id, bytes)));
    expect(replies.map((reply) => reply.status).sort()).toEqual([200, 423, 423, 423]);
    const winner = sha256(contents[replies.findIndex((reply) => reply.status === 200)]!);
    expect((await api.call('GET', `/v1/firmwares/${id}`)).body.data.sha256).toBe(winner);
    for (const bytes of contents)
      expect((await api.services.blobs.stat(sha256(bytes))) !== undefined).toBe(sha256(bytes) === winner);
    expect(await unfinished(api)).toBe(0);
  });

  it('that loses a race keeps the bytes where another firmware has the same content', async () => {
    const bytes = randomBytes(1000);
    const winner = await newFirmware(api);
    const replies = await Promise.all([attach(api, winner, bytes), attach(api, winner, bytes)]);
    expect(replies.map((reply) => reply.status).sort()).toEqual([200, 423]);
    expect(await api.services.blobs.stat(sha256(bytes))).toEqual({ size: 1000 });
  });

  it('whose connection is cut leaves nothing behind, and can be repeated', async () => {
    const id = await newFirmware(api);
    const upload = new SlowUpload(api, id, 1_000_000);
    await upload.write(randomBytes(500_000));
    await until('the upload began', async () => (await unfinished(api)) === 1);
    upload.request.destroy();
    await until('its file is gone', async () => (await unfinished(api)) === 0);
    expect((await api.call('GET', `/v1/firmwares/${id}`)).body.data).toMatchObject({
      blobAttached: false,
      state: 'draft',
    });
    expect((await attach(api, id)).status).toBe(200);
  });

  it('of a large body that comes too late is answered all the same', async () => {
    const id = await uploaded(api, randomBytes(10));
    expect((await attach(api, id, Buffer.alloc(50_000_000))).status).toBe(423);
  });

  it('that lost the race while it was under way is refused before its end', async () => {
    const short = await startApi('api_lost_race', { services: { draftLifetimeMs: 600 } });
    try {
      const id = await newFirmware(short);
      const slow = new SlowUpload(short, id);
      await slow.write(randomBytes(1000));
      await until('the upload began', async () => (await unfinished(short)) === 1);
      expect((await attach(short, id)).status).toBe(200);
      let status: number | undefined;
      slow.answer.then(
        (answer) => (status = answer.statusCode),
        () => undefined,
      );
      await until('the slow upload is refused', async () => {
        await slow.write(randomBytes(1000));
        return status === 423;
      });
      expect(await unfinished(short)).toBe(0);
      slow.request.destroy();
    } finally {
      await short.close();
    }
  });

  it('needs application/octet-stream as it is', async () => {
    const id = await newFirmware(api);
    expect((await api.call('POST', `/v1/firmwares/${id}/blob`, '{}')).status).toBe(415);
    expect(
      (await api.call('POST', `/v1/firmwares/${id}/blob`, 'x', { ...OCTETS, 'content-encoding': 'gzip' })).status,
    ).toBe(415);
  });

  it('of no bytes at all is refused', async () => {
    const id = await newFirmware(api);
    expect(await attach(api, id, new Uint8Array())).toMatchObject({
      status: 400,
      body: { errorCode: 'FIRMWARE_VALIDATION' },
    });
    expect((await attach(api, id)).status).toBe(200);
  });
});

describe('a firmware without a blob', () => {
  it('expires after its time, and takes no blob any more', async () => {
    const id = await newFirmware(api);
    ahead = 301_000;
    try {
      expect((await api.call('GET', `/v1/firmwares/${id}`)).body.data).toMatchObject({
        state: 'expired',
        blobAttached: false,
      });
      expect(await attach(api, id)).toMatchObject({ status: 409, body: { errorCode: 'FIRMWARE_EXPIRED' } });
      expect(await expireDrafts(api.pool, 300_000, api.services.now())).toBeGreaterThan(0);
    } finally {
      ahead = 0;
    }
    expect((await api.call('GET', `/v1/firmwares/${id}`)).body.data.state).toBe('expired');
    expect((await attach(api, id)).status).toBe(409);
  });

  it('stays alive while an upload is in progress', async () => {
    const short = await startApi('api_drafts', { services: { draftLifetimeMs: 600 } });
    try {
      const id = await newFirmware(short);
      const upload = new SlowUpload(short, id);
      for (const end = Date.now() + 1500; Date.now() < end;) {
        await upload.write(randomBytes(1000));
        await new Promise((resolve) => setTimeout(resolve, 100));
        expect(await expireDrafts(short.pool, 600, Date.now())).toBe(0);
      }
      upload.request.end();
      expect((await upload.answer).statusCode).toBe(200);
    } finally {
      await short.close();
    }
  });
});

describe('deleting a firmware', () => {
  it('takes its blob along and leaves a tombstone', async () => {
    const bytes = randomBytes(1000);
    const id = await uploaded(api, bytes);
    expect((await api.call('DELETE', `/v1/firmwares/${id}`)).status).toBe(204);
    expect(await api.services.blobs.stat(sha256(bytes))).toBeUndefined();
    for (const method of ['GET', 'DELETE']) expect((await api.call(method, `/v1/firmwares/${id}`)).status).toBe(403);
    const { rows } = await api.pool.query('SELECT name, version, size, sha256, state FROM firmwares WHERE id = $1', [
      id,
    ]);
    expect(rows).toEqual([
      { name: 'Light switch', version: '1.5.0', size: '1000', sha256: sha256(bytes), state: 'retired' },
    ]);
  });

  it("keeps the blob as long as another firmware has the same content, also another tenant's", async () => {
    const bytes = randomBytes(1000);
    const [mine, theirs] = [await uploaded(api, bytes), await uploaded(other, bytes)];
    expect((await api.call('DELETE', `/v1/firmwares/${mine}`)).status).toBe(204);
    expect(await api.services.blobs.stat(sha256(bytes))).toEqual({ size: 1000 });
    expect((await other.call('DELETE', `/v1/firmwares/${theirs}`)).status).toBe(204);
    expect(await api.services.blobs.stat(sha256(bytes))).toBeUndefined();
  });

  it('is refused while installations of it are open, which are named, and with force cancels them', async () => {
    const id = await uploaded(api, randomBytes(1000));
    const type = (await api.call('POST', '/v1/device-types', { name: 'T', slots: { firmware: { name: 'F' } } })).body
      .data.id;
    const device = (await api.call('POST', '/v1/devices', { info: { name: 'd', deviceTypeId: type } })).body.data.id;
    await api.call('POST', `/v1/device-types/${type}/slots/firmware/firmware-associations`, { firmwareId: id });
    const open = (
      await api.call('POST', `/v1/devices/${device}/firmware-installations`, { firmwareId: id, slot: 'firmware' })
    ).body.data.id;
    const refused = await api.call('DELETE', `/v1/firmwares/${id}`);
    expect(refused).toMatchObject({ status: 409, body: { errorCode: 'FIRMWARE_IN_USE', installations: [open] } });
    expect((await api.call('DELETE', `/v1/firmwares/${id}?force=true`)).status).toBe(204);
    expect((await api.call('GET', `/v1/devices/${device}/firmware-installations/${open}`)).body.data).toMatchObject({
      state: 'canceled',
      rejectReason: 'the firmware was deleted',
    });
    expect((await api.call('GET', `/v1/device-types/${type}/slots/firmware/firmware-associations`)).body.data).toEqual(
      [],
    );
    const late = asTenant(api.pool, 'default', (tx) =>
      createInstallation(
        tx,
        'default',
        {
          deviceId: device,
          firmwareId: id,
          slot: 'firmware',
          requestedBy: 'x',
          priority: 0,
          policy: DEFAULT_POLICY,
          gate: 'go',
          onConflict: 'queue',
        },
        Date.now(),
      ),
    );
    await expect(late).rejects.toMatchObject({ code: 'FIRMWARE_NO_ACCESS_TO_RESOURCE' });
  });

  it('names 20 where more installations of it are open, and with force cancels all of them', async () => {
    const id = await uploaded(api, randomBytes(1000));
    const type = (await api.call('POST', '/v1/device-types', { name: 'T', slots: { firmware: { name: 'F' } } })).body
      .data.id;
    await api.call('POST', `/v1/device-types/${type}/slots/firmware/firmware-associations`, { firmwareId: id });
    const open: string[] = [];
    for (let n = 0; n < 23; n += 1) {
      const device = (await api.call('POST', '/v1/devices', { info: { name: 'd', deviceTypeId: type } })).body.data.id;
      open.push(
        (await api.call('POST', `/v1/devices/${device}/firmware-installations`, { firmwareId: id, slot: 'firmware' }))
          .body.data.id as string,
      );
    }
    const refused = await api.call('DELETE', `/v1/firmwares/${id}`);
    expect([refused.status, refused.body.installations]).toEqual([409, open.slice(0, 20)]);
    expect((await api.call('DELETE', `/v1/firmwares/${id}?force=true`)).status).toBe(204);
    const { rows } = await api.pool.query('SELECT DISTINCT state FROM installations WHERE firmware_id = $1', [id]);
    expect(rows).toEqual([{ state: 'canceled' }]);
  });

  it('with force does not wait for a device that is asked to stop; its download link is gone', async () => {
    const id = await uploaded(api, randomBytes(1000));
    const type = (await api.call('POST', '/v1/device-types', { name: 'T', slots: { firmware: { name: 'F' } } })).body
      .data.id;
    const deviceId = (await api.call('POST', '/v1/devices', { info: { name: 'd', deviceTypeId: type } })).body.data
      .id as string;
    await api.call('POST', `/v1/device-types/${type}/slots/firmware/firmware-associations`, { firmwareId: id });
    const installationId = (
      await api.call('POST', `/v1/devices/${deviceId}/firmware-installations`, { firmwareId: id, slot: 'firmware' })
    ).body.data.id as string;
    await asTenant(api.pool, 'default', async (tx) => {
      await report(
        tx,
        'default',
        { deviceId, installationId, by: { kind: 'process' }, event: { type: 'begin' } },
        Date.now(),
      );
      await report(
        tx,
        'default',
        { deviceId, installationId, by: { kind: 'device', node: deviceId }, event: { type: 'downloading' } },
        Date.now(),
      );
    });
    const url = installationDownloadUrl(api.url, await asService(api.pool, readLinkSigner), 'default', installationId);
    expect((await fetch(url)).status).toBe(200);
    expect((await api.call('DELETE', `/v1/firmwares/${id}?force=true`)).status).toBe(204);
    const { state, waitingOn } = (
      await api.call('GET', `/v1/devices/${deviceId}/firmware-installations/${installationId}`)
    ).body.data;
    expect([state, waitingOn]).toEqual([
      'downloading',
      expect.stringMatching(/^Waiting for the device to answer the cancellation/),
    ]);
    expect((await fetch(url)).status).toBe(410);
  });

  it('and attaching the same content elsewhere at the same moment leaves no firmware without its bytes', async () => {
    for (let round = 0; round < 10; round += 1) {
      const bytes = randomBytes(2000);
      const old = await uploaded(api, bytes);
      const fresh = await newFirmware(api);
      const [deleted, attached] = await Promise.all([
        api.call('DELETE', `/v1/firmwares/${old}`),
        attach(api, fresh, bytes),
      ]);
      expect([deleted.status, attached.status]).toEqual([204, 200]);
      expect(await api.services.blobs.stat(sha256(bytes))).toEqual({ size: 2000 });
    }
  });
});
