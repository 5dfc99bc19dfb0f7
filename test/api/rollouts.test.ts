import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startApi, type ApiUnderTest, type Client, type Reply } from './api-under-test.js';
import { newFirmware, uploaded } from './upload.js';

let api: ApiUnderTest;
let type: string;
let firmware: string;
const devices: string[] = [];
beforeAll(async () => {
  api = await startApi('api_rollouts');
  type = (await api.call('POST', '/v1/device-types', { name: 'Switch', slots: { firmware: { name: 'F' } } })).body.data
    .id;
  firmware = await uploaded(api, randomBytes(1000));
  await associate(firmware);
  for (let n = 0; n < 5; n += 1) devices.push(await register(type));
});
afterAll(() => api.close());

async function associate(firmwareId: string): Promise<void> {
  expect(
    (await api.call('POST', `/v1/device-types/${type}/slots/firmware/firmware-associations`, { firmwareId })).status,
  ).toBe(201);
}

async function register(deviceTypeId: string): Promise<string> {
  return (await api.call('POST', '/v1/devices', { info: { name: 'd', deviceTypeId } })).body.data.id as string;
}

const plan = (more: Record<string, unknown> = {}) => ({
  name: 'switch 1.5.0',
  steps: [{ slot: 'firmware', firmwareId: firmware }],
  targets: { deviceIds: devices },
  ...more,
});

/** What the tests read of a rollout. */
interface Rollout {
  id: string;
  version: number;
  defaults: string[];
  counters: { pending: number };
  groups: { name: string; size: number; state: string; soak: string; gate: { minSuccess: number } }[];
}

const dataOf = (reply: Reply) => reply.body.data as Rollout;
const listOf = <T>(reply: Reply) => reply.body.data as T[];
const nextOf = (reply: Reply) => reply.body.meta.nextCursor as string | undefined;
const post = (more: Record<string, unknown> = {}, headers?: Record<string, string>): Promise<Reply> =>
  api.call('POST', '/v1/rollouts', plan(more), headers);

async function created(more: Record<string, unknown> = {}): Promise<string> {
  const { status, body } = await post(more);
  expect([status, body.errorMessage]).toEqual([201, undefined]);
  return body.data.id as string;
}

const ask = (id: string, command: string, body?: unknown, client: Client = api): Promise<Reply> =>
  client.call('POST', `/v1/rollouts/${id}/${command}`, body);
const read = async (id: string) => dataOf(await api.call('GET', `/v1/rollouts/${id}`));
const pointers = (reply: Reply): string[] =>
  ((reply.body.errors ?? []) as { pointer: string }[]).map((one) => one.pointer);

describe('a rollout', () => {
  it('is created as a draft with three members, and shows its groups, every default, and what it waits for', async () => {
    const reply = await post();
    const made = dataOf(reply);
    expect(reply.status).toBe(201);
    expect(made).toMatchObject({
      phase: 'draft',
      version: 1,
      waitingOn: expect.stringMatching(/^Waiting for /),
      pauses: [],
      pace: { maxInFlight: 100, startsPerMinute: 1000 },
      retry: { backoff: { first: 'PT5M' } },
    });
    expect(made.groups.map((one) => [one.name, one.size, one.state])).toEqual([
      ['canary', 1, 'pending'],
      ['early', 1, 'pending'],
      ['rest', 3, 'pending'],
    ]);
    expect(made.counters.pending).toBe(5);
    for (const pointer of made.defaults) {
      expect([
        pointer,
        pointer
          .split('/')
          .slice(1)
          .reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], made),
      ]).not.toEqual([pointer, undefined]);
    }
    expect(made.defaults).toEqual(
      expect.arrayContaining(['/groups', '/pace/maxInFlight', '/stopIf', '/timeouts/target']),
    );
    expect(await read(made.id)).toEqual(made);
  });

  it('is created once for a request that is repeated with its Idempotency-Key', async () => {
    const key = { 'idempotency-key': randomUUID() };
    const name = `once ${randomUUID()}`;
    const [first, second] = [await post({ name }, key), await post({ name }, key)];
    expect(second.body).toEqual(first.body);
    expect((await api.call('GET', `/v1/rollouts?q=${encodeURIComponent(name.toUpperCase())}`)).body.data).toHaveLength(
      1,
    );
  });

  it('with a time to start is scheduled', async () => {
    const id = await created({ schedule: { startAt: new Date(Date.now() + 3_600_000).toISOString() } });
    expect(await read(id)).toMatchObject({
      phase: 'scheduled',
      because: expect.stringMatching(/^Scheduled to start at 2/),
    });
  });

  it('is listed by phase and by part of its name, newest first, page by page', async () => {
    const names = ['Lamp a', 'Lamp b', 'Lamp c'];
    for (const name of names) await created({ name });
    const first = await api.call('GET', '/v1/rollouts?q=lAmP&phase=draft,running&pageSize=2');
    const second = await api.call('GET', `/v1/rollouts?q=lAmP&phase=draft&pageSize=2&cursor=${nextOf(first)}`);
    expect([first, second].flatMap((page) => listOf<{ name: string }>(page)).map((one) => one.name)).toEqual([
      'Lamp c',
      'Lamp b',
      'Lamp a',
    ]);
    expect((await api.call('GET', '/v1/rollouts?q=lamp&phase=finished')).body.data).toEqual([]);
    expect(pointers(await api.call('GET', '/v1/rollouts?phase=sleeping'))).toEqual(['/query/phase/0']);
  });

  it('names its devices when it is asked for, and not in lists', async () => {
    const name = `named ${randomUUID()}`;
    const id = await created({ name });
    expect(await read(id)).toMatchObject({ targets: { deviceIds: devices, dynamic: false } });
    expect(listOf(await api.call('GET', `/v1/rollouts?q=${encodeURIComponent(name)}`))).toMatchObject([
      { id, targets: { dynamic: false } },
    ]);
    expect(
      listOf<{ targets: object }>(await api.call('GET', `/v1/rollouts?q=${encodeURIComponent(name)}`))[0]!.targets,
    ).toEqual({ dynamic: false });
  });

  it("that does not exist, or is another tenant's, is 404, for each operation", async () => {
    const id = await created();
    const stranger = await api.as({ tenantId: 'other' });
    for (const [client, of] of [
      [api, randomUUID()],
      [stranger, id],
      [api, 'x'],
    ] as const) {
      const replies: Reply[] = [
        await client.call('GET', `/v1/rollouts/${of}`),
        await client.call('GET', `/v1/rollouts/${of}/devices`),
        await client.call('GET', `/v1/rollouts/${of}/events`),
        await client.call('PATCH', `/v1/rollouts/${of}`, { description: 'x' }),
        await client.call('POST', `/v1/rollouts/${of}/start`),
        await client.call('POST', `/v1/rollouts/${of}/groups/canary/approve`),
      ];
      expect(replies.map((reply) => `${reply.status} ${reply.body.errorCode}`)).toEqual(
        replies.map(() => '404 ROLLOUT_NOT_FOUND'),
      );
    }
    expect((await ask(id, 'groups/nobody/approve')).body.errorCode).toBe('ROLLOUT_NOT_FOUND');
  });

  it('takes the devices that match its filter, and puts those that match the filter of a group into that group', async () => {
    const of = async (tags: string[], floor: number) =>
      void (await api.call('POST', '/v1/devices', {
        info: { name: 'by filter', deviceTypeId: type, tags },
        custom: { floor },
      }));
    for (let n = 0; n < 4; n += 1) await of(['by-filter'], n);
    await of(['by-filter-not'], 0);
    const made = await read(
      await created({
        targets: { filter: 'tag==by-filter' },
        groups: [{ name: 'low', filter: 'attribute.floor=in=(0,1)' }, { name: 'rest' }],
      }),
    );
    expect([made.counters.pending, made.groups.map((one) => [one.name, one.size])]).toEqual([
      4,
      [
        ['low', 2],
        ['rest', 2],
      ],
    ]);
    expect(dataOf(await post({ targets: { filter: 'name=="by *"', deviceIds: devices } })).counters.pending).toBe(10);
    expect(pointers(await post({ targets: { filter: 'tag==nobody-has-it' } }))).toEqual(['/targets/filter']);
  });

  it('with a filter that does not parse is refused, with the pointer and the position', async () => {
    const reply = await post({
      targets: { filter: 'tag==a;colour==red' },
      groups: [{ name: 'a', filter: 'tag==(' }, { name: 'b' }],
    });
    expect([reply.status, reply.body.errorCode]).toEqual([400, 'ROLLOUT_VALIDATION']);
    expect(reply.body.errors).toEqual([
      { pointer: '/targets/filter', position: 7, detail: expect.stringContaining('"colour" is no field') },
      { pointer: '/groups/0/filter', position: 5, detail: expect.stringContaining('expected a value') },
    ]);
  });

  it('is refused where the firmware or the fleet do not fit, with a pointer', async () => {
    const bare = await newFirmware(api);
    const foreign = await uploaded(api, randomBytes(100));
    const cases: [Record<string, unknown>, number, string, string][] = [
      [{ steps: [{ slot: 'firmware', firmwareId: randomUUID() }] }, 400, 'ROLLOUT_VALIDATION', '/steps/0/firmwareId'],
      [{ steps: [{ slot: 'firmware', firmwareId: bare }] }, 409, 'ROLLOUT_CONFLICT', '/steps/0/firmwareId'],
      [{ steps: [{ slot: 'firmware', firmwareId: foreign }] }, 409, 'ROLLOUT_CONFLICT', '/steps/0/firmwareId'],
      [{ targets: { deviceIds: [devices[0], randomUUID()] } }, 400, 'ROLLOUT_VALIDATION', '/targets/deviceIds/1'],
      [{ groups: [{ name: 'all', gate: { minSample: 6 } }] }, 400, 'ROLLOUT_VALIDATION', '/groups/0/gate/minSample'],
      [
        {
          groups: [
            { name: 'a', percent: 60 },
            { name: 'b', percent: 60 },
          ],
        },
        400,
        'ROLLOUT_VALIDATION',
        '/groups/1/percent',
      ],
      [{ targets: { deviceIds: [devices[0]], dynamic: true } }, 400, 'ROLLOUT_VALIDATION', '/targets/dynamic'],
    ];
    for (const [more, status, code, pointer] of cases) {
      const reply = await post(more);
      expect([reply.status, reply.body.errorCode, pointers(reply)[0]]).toEqual([status, code, pointer]);
    }
  });
});

describe('a command', () => {
  it('is accepted with the rollout as it is then, and is in the history with its author', async () => {
    const id = await created();
    const started = await ask(id, 'start');
    expect([started.status, started.body.data.phase]).toEqual([202, 'running']);
    expect(started.body.data.waitingOn).not.toMatch(/to be started/);
    expect((await ask(id, 'pause', { reason: 'the vendor called' })).body.data).toMatchObject({
      phase: 'paused',
      pauses: [{ reason: 'operator', because: expect.stringContaining('the vendor called') }],
    });
    expect((await ask(id, 'resume', { reason: 'operator' })).body.data).toMatchObject({ phase: 'running', pauses: [] });
    expect((await ask(id, 'abort', { cancelOpen: true, reason: 'wrong version' })).body.data).toMatchObject({
      phase: 'aborted',
      because: expect.stringContaining('wrong version'),
    });
    const events = listOf<{ event: string; data: { by: string } }>(await api.call('GET', `/v1/rollouts/${id}/events`));
    expect(events.map((one) => one.event)).toEqual(['created', 'start', 'pause', 'resume', 'abort']);
    expect(events[1]!.data.by).toMatch(/^operator:key:/);
  });

  it('that the phase does not allow is 409, with the sentence that says why and what to do', async () => {
    const id = await created();
    const early = await ask(id, 'pause');
    expect([early.status, early.body.errorCode]).toEqual([409, 'ROLLOUT_STATE']);
    expect(early.body.errorMessage).toMatch(/cannot pause while it is draft: it has not started/);
    await ask(id, 'abort');
    for (const command of ['start', 'pause', 'abort', 'retry', 'approve'])
      expect((await ask(id, command)).status).toBe(409);
    expect((await ask(id, 'resume', { reason: 'operator' })).status).toBe(409);
    expect((await api.call('PATCH', `/v1/rollouts/${id}`, { pace: { maxInFlight: 1 } })).status).toBe(409);
  });

  it('with a body that does not fit is refused', async () => {
    const id = await created();
    expect(pointers(await ask(id, 'resume', { reason: 'tired' }))).toEqual(['/reason']);
    expect(pointers(await ask(id, 'retry', { outcomes: ['installed'] }))).toEqual(['/outcomes/0']);
    expect(pointers(await ask(id, 'reject', {}))).toEqual(['/reason']);
    expect(pointers(await ask(id, 'start', { now: true }))).toEqual(['/now']);
  });

  it('to approve needs rollouts:approve, which a writer has not', async () => {
    const id = await created({ approval: { required: 1 } });
    const writer = await api.as({ role: 'writer' });
    expect((await ask(id, 'start', undefined, writer)).body.data.phase).toBe('awaiting_approval');
    expect((await ask(id, 'approve', undefined, writer)).status).toBe(403);
    const approved = await ask(id, 'approve');
    expect(approved.body.data).toMatchObject({ phase: 'running', approvals: [{ by: expect.stringMatching(/^key:/) }] });
  });

  it('to approve is refused for the creator, where the plan sets fourEyes', async () => {
    const id = await created({ approval: { required: 1, fourEyes: true } });
    await ask(id, 'start');
    expect((await ask(id, 'approve')).status).toBe(403);
    const second = await api.as({});
    expect((await ask(id, 'approve', undefined, second)).status).toBe(202);
  });
});

describe('an amendment', () => {
  it('changes what it names while the rollout runs, keeps the rest, and is a version in the history', async () => {
    const id = await created({ pace: { maxInFlight: 2, startsPerMinute: 7 } });
    await ask(id, 'start');
    const reply = await api.call('PATCH', `/v1/rollouts/${id}`, {
      pace: { maxInFlight: 3 },
      groups: [{ name: 'early', soak: 'PT4H', gate: { minSuccess: 0.5 } }],
      description: 'slower',
    });
    expect(reply.status).toBe(200);
    expect(dataOf(reply)).toMatchObject({
      version: 2,
      description: 'slower',
      pace: { maxInFlight: 3, startsPerMinute: 7 },
    });
    expect(dataOf(reply).groups.map((one) => [one.soak, one.gate.minSuccess])).toEqual([
      ['PT0S', 0.95],
      ['PT4H', 0.5],
      ['PT0S', 0.95],
    ]);
    // What was amended is no default any more.
    expect(dataOf(reply).defaults).toContain('/pace/offline');
    expect(dataOf(reply).defaults).not.toContain('/groups');
    expect(listOf(await api.call('GET', `/v1/rollouts/${id}/events`)).at(-1)).toMatchObject({
      event: 'amended',
      data: { version: 2 },
    });
  });

  it('that changes nothing is no version', async () => {
    const id = await created();
    expect(
      (
        await api.call('PATCH', `/v1/rollouts/${id}`, {
          pace: { maxInFlight: 100 },
          groups: [{ name: 'rest', soak: 'PT0S' }],
        })
      ).body.data.version,
    ).toBe(1);
  });

  it('with null brings a default back', async () => {
    const id = await created({
      pace: { maxInFlight: 2, ramp: { from: 1, factor: 2, every: { succeeded: 1 } } },
      stopIf: [],
    });
    expect(
      (await api.call('PATCH', `/v1/rollouts/${id}`, { pace: { ramp: null, maxInFlight: null }, stopIf: null })).body
        .data,
    ).toMatchObject({ pace: { ramp: null, maxInFlight: 100 }, stopIf: [{ outcome: 'any', share: 0.1 }] });
  });

  it('is checked like a new plan, with pointers into what would come of it', async () => {
    const id = await created();
    const patch = (body: unknown) => api.call('PATCH', `/v1/rollouts/${id}`, body);
    expect(pointers(await patch({ pace: { ramp: { from: 5000, factor: 2, every: { succeeded: 1 } } } }))).toEqual([
      '/pace/ramp/from',
    ]);
    expect(pointers(await patch({ groups: [{ name: 'nobody', soak: 'PT1H' }] }))).toEqual(['/groups/0/name']);
    expect(pointers(await patch({ groups: [{ name: 'early', soak: '1 hour' }] }))).toEqual(['/groups/1/soak']);
    expect(pointers(await patch({ targets: { deviceIds: [] } }))).toEqual(['/targets']);
    expect(pointers(await patch({ stopIf: [{ outcome: 'any', share: 0.2, then: 'explode' }] }))).toEqual([
      '/stopIf/0/then',
    ]);
    expect((await read(id)).version).toBe(1);
  });
});

describe('the devices of a rollout', () => {
  it('are listed by group and state in either spelling, each once, by cursor', async () => {
    const id = await created();
    const path = `/v1/rollouts/${id}/devices`;
    const seen: string[] = [];
    for (let cursor = ''; ;) {
      const page = await api.call('GET', `${path}?pageSize=2${cursor}`);
      seen.push(...listOf<{ deviceId: string }>(page).map((one) => one.deviceId));
      const next = nextOf(page);
      if (next === undefined) break;
      cursor = `&cursor=${next}`;
    }
    expect([...seen].sort()).toEqual([...devices].sort());
    expect((await api.call('GET', `${path}?group=canary&state=pending`)).body.data).toEqual([
      { deviceId: expect.any(String), group: 'canary', state: 'pending', attempt: 0 },
    ]);
    expect((await api.call('GET', `${path}?state=timed_out,alreadyInstalled,already_installed`)).body.data).toEqual([]);
    expect((await api.call('GET', `${path}?state=&group=`)).body.data).toHaveLength(5);
    expect(pointers(await api.call('GET', `${path}?state=asleep`))).toEqual(['/query/state/0']);
    expect(pointers(await api.call('GET', `${path}?cursor=x`))).toEqual(['/query/cursor']);
  });

  it('show in their timelines what they wait for', async () => {
    const device = await register(type);
    const id = await created({ name: 'to one', targets: { deviceIds: [device] }, groups: [{ name: 'all' }] });
    const timeline = () => api.call('GET', `/v1/devices/${device}/timeline`);
    expect((await timeline()).body.data.now[0].waitingOn).toEqual([]);
    await ask(id, 'start');
    const { now } = (await timeline()).body.data as {
      now: { waitingOn: string[] }[];
    };
    expect(now[0]!.waitingOn).toEqual([
      expect.stringMatching(
        /^Rollout "to one" plans to install 1\.5\.0; the device is in group "all", which has not started\. The rollout: Waiting/,
      ),
    ]);
    await ask(id, 'abort');
  });
});
