import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ApiWithFirmware, type Device } from './api-with-firmware.js';

/** More than three pages of two, and some of them alike in what a list is sorted by. */
const ROWS = 9;

let fleet: ApiWithFirmware;
let device: Device;
let paths: Record<string, string>;
beforeAll(async () => {
  fleet = await ApiWithFirmware.start('api_lists');
  device = await fleet.register();
  paths = await fill();
}, 120_000);
afterAll(() => fleet.close());

interface Meta {
  page: number;
  pageSize: number;
  itemsTotal: number;
  pagesTotal: number;
  itemsTotalExact?: false;
  nextCursor?: string;
}
interface Parameter {
  name: string;
  schema: { enum?: string[] };
}

/** Every list of the document: what answers with `meta`. */
function lists(): { path: string; parameters: Parameter[] }[] {
  const { paths: described, components } = fleet.api.description.document as {
    paths: Record<string, Record<string, { parameters?: (Parameter | { $ref: string })[] }>>;
    components: { parameters: Record<string, Parameter> };
  };
  const whole = (one: Parameter | { $ref: string }): Parameter =>
    '$ref' in one ? components.parameters[one.$ref.slice('#/components/parameters/'.length)]! : one;
  return Object.entries(described)
    .map(([path, { get }]) => ({ path, parameters: (get?.parameters ?? []).map(whole) }))
    .filter(({ parameters }) => parameters.some(({ name }) => name === 'pageSize'));
}

const has = ({ parameters }: { parameters: Parameter[] }, name: string): boolean =>
  parameters.some((one) => one.name === name);

async function read(path: string, query: string): Promise<{ items: unknown[]; meta: Meta }> {
  const { status, body } = await fleet.api.call('GET', `${paths[path]}?${query}`);
  expect({ path, query, status, body: status === 200 ? '' : body }).toEqual({ path, query, status: 200, body: '' });
  const { data, meta } = body as { data: unknown[] | { entries: unknown[] }; meta: Meta };
  return { items: Array.isArray(data) ? data : data.entries, meta };
}

async function walk(path: string, query: string): Promise<unknown[]> {
  const seen: unknown[] = [];
  let cursor: string | undefined;
  do {
    const page = await read(path, `pageSize=2${query}${cursor === undefined ? '' : `&cursor=${cursor}`}`);
    seen.push(...page.items);
    cursor = page.meta.nextCursor;
  } while (cursor !== undefined && seen.length < 1_000);
  return seen;
}

/** An item without what is made anew for each answer: links. */
const key = (item: unknown): string =>
  JSON.stringify(item, (name, value: unknown) => (name === 'downloadUrl' ? 0 : value));

describe('every list of the OpenAPI document', () => {
  it('is known to this test, with rows to read', async () => {
    expect(
      lists()
        .map(({ path }) => path)
        .sort(),
    ).toEqual(Object.keys(paths).sort());
    for (const { path } of lists()) expect((await read(path, 'pageSize=100')).items.length).toBeGreaterThan(1);
  });

  it('says how many items and pages it has, on the first page and on a later one', async () => {
    for (const list of lists()) {
      const { path } = list;
      const all = await read(path, 'pageSize=100');
      const items = all.items.length;
      expect([path, all.meta]).toEqual([path, { page: 0, pageSize: 100, itemsTotal: items, pagesTotal: 1 }]);
      const first = await read(path, 'pageSize=2');
      expect([path, first.meta]).toMatchObject([path, { itemsTotal: items, pagesTotal: Math.ceil(items / 2) }]);
      const next =
        has(list, 'cursor') && items > 2 ? `cursor=${first.meta.nextCursor}` : has(list, 'page') ? 'page=1' : '';
      expect([path, (await read(path, `pageSize=2&${next}`)).meta]).toMatchObject([path, { itemsTotal: items }]);
      expect([path, all.meta.itemsTotalExact]).toEqual([path, undefined]);
    }
  });

  it('is walked by cursor in any order, each row once', async () => {
    for (const list of lists().filter((one) => has(one, 'cursor'))) {
      const { path, parameters } = list;
      const all = (await read(path, 'pageSize=100')).items.map(key).sort();
      const orders = ['sort', 'order'].flatMap((name) =>
        (parameters.find((one) => one.name === name)?.schema.enum ?? []).map((value) => `&${name}=${value}`),
      );
      for (const order of ['', ...orders]) {
        const seen = (await walk(path, order)).map(key);
        expect([path, order, [...seen].sort()]).toEqual([path, order, all]);
        const whole = (await read(path, `pageSize=100${order}`)).items.map(key);
        expect([path, order, seen]).toEqual([path, order, whole]);
      }
    }
  });

  it('that can be sorted is in that order, and backwards in the other one', async () => {
    for (const { path, parameters } of lists()) {
      for (const sort of parameters.find(({ name }) => name === 'sort')?.schema.enum ?? []) {
        const { items } = await read(path, `pageSize=100&sort=${sort}`);
        const values = items.map((item) => valueOf(item, sort.replace('-', '')));
        if (values.includes(undefined)) continue; // associations do not show when they were made
        const ordered = [...values].sort((a, b) => Buffer.compare(Buffer.from(a!), Buffer.from(b!)));
        expect([path, sort, values]).toEqual([path, sort, sort.startsWith('-') ? ordered.reverse() : ordered]);
      }
    }
  });

  it('refuses a sort that it does not have, and a cursor of another order', async () => {
    for (const { path, parameters } of lists()) {
      const sorts = parameters.find(({ name }) => name === 'sort')?.schema.enum;
      if (!sorts) continue;
      const refused = await fleet.api.call('GET', `${paths[path]}?sort=colour`);
      expect([path, refused.status, refused.body.errors]).toEqual([
        path,
        400,
        [{ pointer: '/query/sort', detail: `must be one of ${sorts.join(', ')}` }],
      ]);
      const { meta } = await read(path, `pageSize=1&sort=${sorts[0]}`);
      const other = await fleet.api.call('GET', `${paths[path]}?sort=${sorts[1]}&cursor=${meta.nextCursor}`);
      expect([path, other.status, other.body.errors]).toMatchObject([path, 400, [{ pointer: '/query/cursor' }]]);
    }
  });

  it('that has since and until holds what lies between them, the first with its edge', async () => {
    for (const list of lists().filter((one) => has(one, 'since'))) {
      const { path } = list;
      const count = async (query: string) => (await read(path, `pageSize=100&${query}`)).meta.itemsTotal;
      const all = await count('');
      const [edge, after] = ['2026-01-02T00:00:00Z', '2026-01-02T00:00:00.000001Z'];
      const [before, from] = [await count(`until=${edge}`), await count(`since=${edge}`)];
      expect([path, before + from]).toEqual([path, all]);
      expect([path, await count(`since=${edge}&until=${after}`)]).toEqual([
        path,
        from - (await count(`since=${after}`)),
      ]);
      expect([path, await count(`since=2026-01-02T02:00:00+02:00&until=`)]).toEqual([path, from]);
      expect([path, before > 0, from > 0]).toEqual([path, true, true]);
    }
  });
});

describe('filters', () => {
  const idsOf = async (path: string) => {
    const { status, body } = await fleet.api.call('GET', path);
    expect([path, status]).toEqual([path, 200]);
    return (body.data as { id?: string; number?: number }[]).map(({ id, number }) => id ?? number);
  };
  const total = async (path: string) => {
    const { status, body } = await fleet.api.call('GET', path);
    expect([path, status, status === 200 ? '' : body]).toEqual([path, 200, '']);
    return (body.meta as Meta).itemsTotal;
  };

  it.each([
    ['/v1/firmwares?q=SWITCH', 2 * ROWS + 1],
    ['/v1/firmwares?q=', 2 * ROWS + 1],
    ['/v1/firmwares?q=h_%25', 4],
    ['/v1/firmwares?name=switch', 4],
    ['/v1/firmwares?name=switch,Switch', 8],
    ['/v1/firmwares?name=switch*&version=1.0.*', ROWS - 2],
    ['/v1/firmwares?state=ready', 1],
    ['/v1/firmwares?state=draft,expired', 2 * ROWS],
    ['/v1/device-types?q=switch', ROWS + 1],
    ['/v1/device-types?name=Switch', 2 + 1],
    ['/v1/rollouts?q=%C3%A4', 1],
    ['/v1/rollout-templates?q=%F0%9F%98%80', 2],
    ['/v1/firmware-installations?endedSince=2000-01-01T00:00:00Z', 5],
    ['/v1/firmware-installations?endedUntil=2000-01-01T00:00:00Z', 0],
    ['/v1/firmware-installations?endedUntil=2999-01-01T00:00:00Z', 5],
    ['/v1/events?event=pause', ROWS],
    ['/v1/events?event=pause,resume&by=operator:key:x', ROWS],
    ['/v1/events?by=operator:key:y', 0],
    ['/v1/events?event=pause&since=2026-01-02T00:00:00Z&until=2026-01-03T00:00:00Z', 3],
    ['/v1/events?event=pause&until=2026-01-02T00:00:00.001Z', 4],
  ])('%s finds %d', async (path, count) => {
    expect(await total(path)).toBe(count);
  });

  it('by firmware, hash, device and rollout find what belongs to them', async () => {
    const { api, firmware } = fleet;
    const { sha256 } = (await api.call('GET', `/v1/firmwares/${firmware}`)).body.data as { sha256: string };
    expect(await idsOf(`/v1/firmwares?sha256=${sha256.toUpperCase()}`)).toEqual([firmware]);
    const all = await total('/v1/firmware-installations');
    expect(await total(`/v1/firmware-installations?firmwareId=${firmware}&deviceId=${device.id}`)).toBe(all);
    expect(await total(`/v1/firmware-installations?firmwareId=${device.id}`)).toBe(0);
    expect(await total(`/v1/firmware-installations?deviceId=${firmware}`)).toBe(0);
    const rollout = paths['/v1/rollouts/{id}/events']!.split('/')[3]!;
    expect(await total(`/v1/events?rolloutId=${rollout}`)).toBe(await total(`/v1/rollouts/${rollout}/events`));
    expect(await total(`/v1/events?deviceId=${device.id}&event=pause`)).toBe(ROWS);
  });

  it('and order=desc: the same events, newest first', async () => {
    const ascending = await idsOf('/v1/events?pageSize=100');
    expect(await idsOf('/v1/events?pageSize=100&order=desc')).toEqual([...ascending].reverse());
    expect(await idsOf('/v1/events?pageSize=100&order=desc&after=3')).toEqual(
      ascending.filter((number) => Number(number) > 3).reverse(),
    );
  });

  it.each(['by=operator:key:x', 'event=pause', 'order=desc', 'since=2026-01-01T00:00:00Z'])(
    '%s is for pages, not for a stream',
    async (query) => {
      const stream = { accept: 'text/event-stream' };
      const { status, body } = await fleet.api.call('GET', `/v1/events?${query}`, undefined, stream);
      expect([status, body.errors]).toMatchObject([400, [{ pointer: `/query/${query.split('=')[0]}` }]]);
    },
  );
});

describe('a list of more than 10,000 items', () => {
  it('estimates how many there are, and says so', async () => {
    const { pool } = fleet.api;
    await pool.query(
      `INSERT INTO device_types (tenant_id, id, name) SELECT 'default', gen_random_uuid(), 'many' FROM generate_series(1, 12000)`,
    );
    await pool.query('ANALYZE device_types');
    const path = '/v1/device-types';
    const { itemsTotal, itemsTotalExact, pagesTotal } = (await read(path, 'pageSize=100')).meta;
    expect(itemsTotalExact).toBe(false);
    expect(itemsTotal).toBeGreaterThan(10_000);
    expect(itemsTotal).toBeLessThan(24_000);
    expect(pagesTotal).toBe(Math.ceil(itemsTotal / 100));
    expect((await read(path, 'q=switch')).meta).toMatchObject({ itemsTotal: ROWS + 1, pagesTotal: 1 });
    await pool.query(
      `DELETE FROM device_types WHERE name = 'many' AND id NOT IN (SELECT id FROM device_types WHERE name = 'many' LIMIT $1)`,
      [10_000 - ROWS - 1],
    );
    expect((await read(path, 'pageSize=1')).meta).toMatchObject({ itemsTotal: 10_000, pagesTotal: 10_000 });
  });
});

function valueOf(item: unknown, sort: string): string | undefined {
  const one = item as Record<string, unknown> & { info?: { name: string } };
  if (sort === 'endedAt') return (one['completedAt'] ?? one['rejectedAt'] ?? 'never') as string;
  return (sort === 'name' && one.info ? one.info.name : one[sort]) as string | undefined;
}

/** Some rows for each list, with names and times that several share. @returns where each list is read. */
async function fill(): Promise<Record<string, string>> {
  const { api, firmware } = fleet;
  const post = async (path: string, body: unknown): Promise<string> => {
    const reply = await api.call('POST', path, body);
    expect([path, reply.status, reply.status === 201 ? '' : reply.body]).toEqual([path, 201, '']);
    return reply.body.data.id as string;
  };
  const names = ['switch', 'Switch', 'switch "ä"', 'switch 😀', 'switch_%'];
  const { deviceTypeId } = (await api.call('GET', `/v1/devices/${device.id}`)).body.data.info as {
    deviceTypeId: string;
  };
  const of = `/v1/devices/${device.id}`;
  const webhook = await post('/v1/webhooks', { url: 'https://ops.example.com/slipway' });
  await post('/v1/webhooks', { url: 'https://ops.example.com/slipway' });
  const plan = { steps: [{ slot: 'firmware', firmwareId: firmware }], targets: { filter: 'name==*' } };
  let rollout = '';
  for (let row = 0; row < ROWS; row += 1) {
    const name = names[(row * 3) % names.length];
    await post('/v1/firmwares', { name, version: '1.0.0' });
    await post('/v1/device-types', { name, slots: { firmware: { name: 'F' } } });
    await post('/v1/devices', { info: { name, deviceTypeId } });
    await post('/v1/rollout-templates', { name, groups: [{ name: 'all' }] });
    // Three of them wait for votes.
    const schedule = row % 4 === 0 ? { startAt: '2030-01-01T00:00:00Z' } : {};
    rollout = await post('/v1/rollouts', { name, ...plan, schedule, approval: { required: 1 } });
    const installation = await device.install();
    if (row % 2 === 0) await device.report(installation, { rejectedAt: new Date().toISOString() });
    await fleet.associate(await post('/v1/firmwares', { name }), 'firmware');
  }
  for (let row = 0; row < 2; row += 1) await post(`${of}/credentials`, { type: 'password' });
  for (let row = 0; row < 4; row += 1) {
    await post('/v1/api-keys', { name: `list ${row}`, role: 'reader' });
    await post('/v1/tenants', { id: `list-${row}` });
    const counted = await api.call('POST', '/v1/devices/bulk', { action: 'retry', filter: 'name==a', dryRun: true });
    expect(counted.status).toBe(202);
  }
  const { pool } = api;
  await pool.query(
    `INSERT INTO device_certificates (tenant_id, id, device_id, cert, fingerprint, status)
     SELECT 'default', gen_random_uuid(), $1, 'PEM', md5(n::text) || md5(n::text), 'valid' FROM generate_series(1, $2) AS n`,
    [device.id, ROWS],
  );
  await pool.query(
    `INSERT INTO enrolments (tenant_id, id, serial, device_type_id, state, created_at, created_by)
     SELECT 'default', gen_random_uuid(), n::text, $1, 'pending', now(), 'x' FROM generate_series(1, $2) AS n`,
    [deviceTypeId, ROWS],
  );
  await pool.query(
    `INSERT INTO enrolment_tokens (tenant_id, id, name, device_type_id, uses, approval, secret_hash, expires_at, created_at, created_by)
     SELECT 'default', gen_random_uuid(), 'x', $1, 1, 'auto', decode(md5(n::text), 'hex'), now(), now(), 'x' FROM generate_series(1, $2) AS n`,
    [deviceTypeId, ROWS],
  );
  await pool.query(
    `INSERT INTO webhook_deliveries (tenant_id, id, webhook_id, number, event, state, due_at, created_at)
     SELECT 'default', gen_random_uuid(), $1, n, 'created', 'pending', now(), now() FROM generate_series(1, $2) AS n`,
    [webhook, ROWS],
  );
  await pool.query(
    `INSERT INTO device_diagnostics (tenant_id, device_id, at, reason, detail)
     SELECT 'default', $1, now(), 'malformed', 'it is' FROM generate_series(1, 3)`,
    [device.id],
  );
  await pool.query(
    `INSERT INTO history (tenant_id, at, device_id, rollout_id, event, data)
     SELECT 'default', '2026-01-01'::timestamptz + n * interval '8 hours', $1, $2, 'pause', '{"by": "operator:key:x"}' FROM generate_series(0, $3 - 1) AS n`,
    [device.id, rollout, ROWS],
  );
  await pool.query(
    `UPDATE history h SET at = '2026-01-01'::timestamptz + n.row % 5 * interval '12 hours'
     FROM (SELECT entry, row_number() OVER (ORDER BY entry) AS row FROM history WHERE event = 'audit') AS n WHERE n.entry = h.entry`,
  );
  await pool.query(
    `UPDATE tenants t SET created_at = '2026-01-01'::timestamptz + n.row % 5 * interval '12 hours'
     FROM (SELECT id, row_number() OVER (ORDER BY id) AS row FROM tenants) AS n WHERE n.id = t.id`,
  );
  await pool.query(
    `UPDATE history h SET number = n.number, hash = '\\x00' FROM (SELECT entry, row_number() OVER (ORDER BY at, entry) AS number FROM history) AS n WHERE n.entry = h.entry`,
  );
  // Five times for all: some rows have the same one.
  const tables = {
    firmwares: 'created_at',
    device_types: 'created_at',
    devices: 'created_at',
    rollouts: 'created_at',
    rollout_templates: 'created_at',
    firmware_associations: 'created_at',
    device_certificates: 'created_at',
    webhook_deliveries: 'created_at',
    installations: 'requested_at',
    api_keys: 'created_at',
    jobs: 'created_at',
    enrolments: 'created_at',
    enrolment_tokens: 'created_at',
  };
  for (const [table, time] of Object.entries(tables))
    await pool.query(
      `UPDATE ${table} t SET ${time} = '2026-01-01'::timestamptz + n.row % 5 * interval '12 hours'
       FROM (SELECT tenant_id, id, row_number() OVER (ORDER BY id) AS row FROM ${table}) AS n WHERE n.tenant_id = t.tenant_id AND n.id = t.id`,
    );
  return {
    '/v1/firmwares': '/v1/firmwares',
    '/v1/api-keys': '/v1/api-keys',
    '/v1/audit': '/v1/audit',
    '/v1/jobs': '/v1/jobs',
    '/v1/enrolments': '/v1/enrolments',
    '/v1/enrolment-tokens': '/v1/enrolment-tokens',
    '/v1/tenants': '/v1/tenants',
    '/v1/device-types': '/v1/device-types',
    '/v1/device-types/{id}/slots/{slotName}/firmware-associations': `/v1/device-types/${deviceTypeId}/slots/firmware/firmware-associations`,
    '/v1/devices': '/v1/devices',
    '/v1/devices/{id}/certificates': `${of}/certificates`,
    '/v1/devices/{id}/credentials': `${of}/credentials`,
    '/v1/devices/{id}/slots': `${of}/slots`,
    '/v1/devices/{id}/last-diagnostics': `${of}/last-diagnostics`,
    '/v1/devices/{id}/timeline': `${of}/timeline`,
    '/v1/devices/{id}/rollouts': `${of}/rollouts`,
    '/v1/devices/{deviceId}/firmware-installations': `${of}/firmware-installations`,
    '/v1/firmware-installations': '/v1/firmware-installations',
    '/v1/rollouts': '/v1/rollouts',
    '/v1/approvals': '/v1/approvals',
    '/v1/rollouts/{id}/devices': `/v1/rollouts/${rollout}/devices`,
    '/v1/rollouts/{id}/events': `/v1/rollouts/${rollout}/events`,
    '/v1/rollout-templates': '/v1/rollout-templates',
    '/v1/events': '/v1/events',
    '/v1/webhooks': '/v1/webhooks',
    '/v1/webhooks/{id}/deliveries': `/v1/webhooks/${webhook}/deliveries`,
  };
}
