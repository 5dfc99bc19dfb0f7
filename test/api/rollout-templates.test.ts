import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startApi, type ApiUnderTest, type Reply } from './api-under-test.js';
import { uploaded } from './upload.js';

let api: ApiUnderTest;
let firmware: string;
const devices: string[] = [];
beforeAll(async () => {
  api = await startApi('api_rollout_templates');
  const type = (await api.call('POST', '/v1/device-types', { name: 'Switch', slots: { firmware: { name: 'F' } } })).body
    .data.id as string;
  firmware = await uploaded(api, randomBytes(1000));
  expect(
    (await api.call('POST', `/v1/device-types/${type}/slots/firmware/firmware-associations`, { firmwareId: firmware }))
      .status,
  ).toBe(201);
  for (let n = 0; n < 3; n += 1)
    devices.push(
      (await api.call('POST', '/v1/devices', { info: { name: 'd', deviceTypeId: type } })).body.data.id as string,
    );
});
afterAll(() => api.close());

const TEMPLATES = '/v1/rollout-templates';
const CAREFUL = {
  name: 'carefully',
  groups: [{ name: 'one', count: 1, soak: 'PT2H' }, { name: 'rest' }],
  pace: { maxInFlight: 7, startsPerMinute: 60 },
  retry: { backoff: { first: 'PT1M' } },
  schedule: { endAt: '2030-01-01T00:00:00Z' },
};

const keep = (plan: Record<string, unknown>): Promise<Reply> => api.call('POST', TEMPLATES, plan);
const kept = async (plan: Record<string, unknown>) => (await keep(plan)).body.data.id as string;
const pointers = (reply: Reply): string[] =>
  ((reply.body.errors ?? []) as { pointer: string }[]).map((one) => one.pointer);
const steps = () => [{ slot: 'firmware', firmwareId: firmware }];
const create = (templateId: string, more: Record<string, unknown>): Promise<Reply> =>
  api.call('POST', '/v1/rollouts', { templateId, ...more });

describe('a template', () => {
  it('holds any part of a plan, is shown as it was sent, listed by name, and deleted', async () => {
    const made = await keep(CAREFUL);
    expect([made.status, made.body.data]).toEqual([
      201,
      { id: expect.any(String), ...CAREFUL, createdBy: 'key:bootstrap', createdAt: expect.any(String) },
    ]);
    const path = `${TEMPLATES}/${made.body.data.id as string}`;
    expect((await api.call('GET', path)).body).toEqual(made.body);
    expect((await api.call('GET', `${TEMPLATES}?q=CAREF&pageSize=1`)).body.data).toEqual([made.body.data]);
    expect((await api.call('GET', `${TEMPLATES}?q=careless`)).body.data).toEqual([]);
    expect((await api.call('DELETE', path)).status).toBe(204);
    for (const method of ['GET', 'DELETE'])
      expect((await api.call(method, path)).body.errorCode).toBe('ROLLOUT_TEMPLATE_NOT_FOUND');
  });

  it('is checked like a plan where it says something, and not where it leaves something out', async () => {
    const cases: [Record<string, unknown>, string[]][] = [
      [{ pace: { maxInFlight: 1 } }, ['/name']],
      [{ name: 'x', speed: 3 }, ['/speed']],
      [{ name: 'x', templateId: randomUUID() }, ['/templateId']],
      [
        {
          name: 'x',
          groups: [
            { name: 'a', percent: 60 },
            { name: 'b', percent: 60 },
          ],
        },
        ['/groups/1/percent'],
      ],
      [{ name: 'x', groups: [{ name: 'a', gate: { maxFailureRate: 0.1 } }] }, ['/groups/0/gate/confidence']],
      [{ name: 'x', targets: {} }, ['/targets']],
      [{ name: 'x', timeouts: { install: 'soon' } }, ['/timeouts/install']],
      // More than the default of timeouts.target, which the template does not name: a rollout may.
      [{ name: 'x', timeouts: { offer: 'P40D' } }, []],
      [{ name: 'only a name' }, []],
    ];
    for (const [plan, expected] of cases) expect([plan, pointers(await keep(plan))]).toEqual([plan, expected]);
  });

  it('of another tenant is not there, and a reader keeps none', async () => {
    const id = await kept(CAREFUL);
    const stranger = await api.as({ tenantId: 'other' });
    expect((await stranger.call('GET', `${TEMPLATES}/${id}`)).status).toBe(404);
    expect((await stranger.call('GET', TEMPLATES)).body.data).toEqual([]);
    expect((await stranger.call('DELETE', `${TEMPLATES}/${id}`)).status).toBe(404);
    const reader = await api.as({ role: 'reader' });
    expect((await reader.call('GET', `${TEMPLATES}/${id}`)).status).toBe(200);
    expect((await reader.call('POST', TEMPLATES, CAREFUL)).status).toBe(403);
  });
});

describe('a rollout from a template', () => {
  it('takes what it does not give itself, and shows what came from there beside what is a default', async () => {
    const id = await kept(CAREFUL);
    const { status, body } = await create(id, {
      name: 'mine',
      steps: steps(),
      targets: { deviceIds: devices },
      pace: { maxInFlight: 2 },
    });
    expect([status, body.data]).toMatchObject([
      201,
      {
        templateId: id,
        name: 'mine',
        pace: { maxInFlight: 2, startsPerMinute: 60 },
        retry: { backoff: { first: 'PT1M' } },
        schedule: { endAt: '2030-01-01T00:00:00.000Z' },
        groups: [
          { name: 'one', count: 1, soak: 'PT2H', size: 1 },
          { name: 'rest', size: 2 },
        ],
      },
    ]);
    expect(body.data.fromTemplate).toEqual(
      ['/groups', '/pace/startsPerMinute', '/retry/backoff/first', '/schedule/endAt'].sort(),
    );
    expect(body.data.defaults).toEqual(
      expect.arrayContaining(['/pace/offline', '/retry/maxAttempts', '/schedule/startAt', '/groups/1/soak']),
    );
    expect(body.data.defaults).not.toContain('/pace/startsPerMinute');
    expect((await api.call('GET', `/v1/rollouts/${body.data.id as string}`)).body.data).toEqual(body.data);
  });

  it('may take even its name, firmware and targets, and gets a default where it says null', async () => {
    const id = await kept({ ...CAREFUL, steps: steps(), targets: { deviceIds: devices } });
    const { status, body } = await create(id, { schedule: { endAt: null } });
    expect([status, body.data]).toMatchObject([
      201,
      { name: 'carefully', targets: { deviceIds: devices }, schedule: { endAt: null } },
    ]);
    expect(body.data.fromTemplate).toEqual(expect.arrayContaining(['/name', '/steps', '/targets']));
    expect(body.data.fromTemplate).not.toContain('/schedule/endAt');
    expect(body.data.defaults).toContain('/schedule/endAt');
  });

  it("that names its own targets gets none of the template's: a filter of it does not join them", async () => {
    const id = await kept({ name: 'all', targets: { filter: 'id==*' } });
    const { body } = await create(id, { steps: steps(), targets: { deviceIds: [devices[0]] } });
    expect(body.data).toMatchObject({
      targets: { deviceIds: [devices[0]] },
      counters: { pending: 1 },
      fromTemplate: ['/name'],
    });
    expect(body.data.targets.filter).toBeUndefined();
  });

  it('is checked as a whole, with pointers into what came of both', async () => {
    const id = await kept({ name: 'ramp', pace: { ramp: { from: 500, factor: 2, every: { succeeded: 1 } } } });
    const plan = { steps: steps(), targets: { deviceIds: devices } };
    expect(pointers(await create(id, { ...plan, pace: { startsPerMinute: 10 } }))).toEqual(['/pace/ramp/from']);
    expect(pointers(await create(id, { steps: steps() }))).toEqual(['/targets']);
    expect(pointers(await create(randomUUID(), plan))).toEqual(['/templateId']);
    expect(
      pointers(await (await api.as({ tenantId: 'other' })).call('POST', '/v1/rollouts', { templateId: id, ...plan })),
    ).toEqual(['/templateId']);
    expect(pointers(await api.call('POST', '/v1/rollouts', { name: 'without a template' }))).toEqual([
      '/steps',
      '/targets',
    ]);
  });

  it('keeps what it took when the template is deleted, until it is amended', async () => {
    const id = await kept(CAREFUL);
    const rollout = (await create(id, { steps: steps(), targets: { deviceIds: devices } })).body.data.id as string;
    await api.call('DELETE', `${TEMPLATES}/${id}`);
    const amended = (await api.call('PATCH', `/v1/rollouts/${rollout}`, { pace: { maxInFlight: 3 } })).body.data as {
      fromTemplate: string[];
    };
    expect(amended).toMatchObject({ templateId: id, pace: { maxInFlight: 3, startsPerMinute: 60 } });
    expect(amended.fromTemplate).toContain('/pace/startsPerMinute');
    expect(amended.fromTemplate).not.toContain('/pace/maxInFlight');
    expect((await api.call('GET', `/v1/rollouts/${rollout}/events`)).body.data[0]).toMatchObject({
      event: 'created',
      data: { templateId: id },
    });
  });
});
