import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ApiWithFirmware } from './api-with-firmware.js';

let fleet: ApiWithFirmware;
beforeAll(async () => {
  fleet = await ApiWithFirmware.start('api_rollout_answers');
});
afterAll(() => fleet.close());

async function create(more: Record<string, unknown> = {}): Promise<string> {
  const { id } = await fleet.register();
  const { status, body } = await fleet.api.call('POST', '/v1/rollouts', {
    name: 'r',
    steps: [{ slot: 'firmware', firmwareId: fleet.firmware }],
    targets: { deviceIds: [id] },
    ...more,
  });
  expect(status).toBe(201);
  return body.data.id as string;
}

describe('actions of a rollout', () => {
  it('are those of who asks: in the answer to a GET, in a list, and in that to a command', async () => {
    const id = await create({ approval: { required: 1, fourEyes: true } });
    const [reader, writer, owner] = [
      await fleet.api.as({ role: 'reader' }),
      await fleet.api.as({ role: 'writer' }),
      await fleet.api.as({ role: 'owner' }),
    ];
    const actions = async (client: typeof reader) =>
      (await client.call('GET', `/v1/rollouts/${id}`)).body.data.actions as Record<string, unknown>;
    expect(Object.keys(await actions(reader))).toEqual([
      'start',
      'pause',
      'resume',
      'abort',
      'retry',
      'approve',
      'amend',
      'rollback',
      'delete',
    ]);
    expect(await actions(reader)).toMatchObject({
      start: { allowed: false, needs: 'rollouts:write', whyNot: 'it takes the permission rollouts:write' },
      approve: { allowed: false, needs: 'rollouts:approve' },
    });
    expect(await actions(writer)).toMatchObject({ start: { allowed: true }, approve: { needs: 'rollouts:approve' } });
    expect(await actions(owner)).toMatchObject({ start: { allowed: true }, approve: { allowed: true } });
    expect((await actions(fleet.api))['approve']).toEqual({
      allowed: false,
      whyNot: 'the creator of the rollout cannot approve it: its plan sets fourEyes',
    });
    const listed = (await reader.call('GET', '/v1/rollouts')).body.data as { id: string; actions: unknown }[];
    expect(listed.find((one) => one.id === id)!.actions).toEqual(await actions(reader));
    const started = await writer.call('POST', `/v1/rollouts/${id}/start`);
    expect(started.body.data.actions).toEqual(await actions(writer));
    expect(started.body.data.failuresBy).toEqual([]);
    expect(listed[0]).not.toHaveProperty('failuresBy');
  });
});

describe('the series of a rollout', () => {
  it('is empty before anything happened, and has a step for each minute, without gaps', async () => {
    const id = await create();
    const series = async (query = '') =>
      (await fleet.api.call('GET', `/v1/rollouts/${id}/series${query}`)).body as { data?: unknown; errors?: unknown };
    expect((await series()).data).toEqual({ step: 'PT1M', points: [] });
    await fleet.api.pool.query(
      `INSERT INTO rollout_series (tenant_id, rollout_id, position, at, started, ended, failed)
       VALUES ('default', $1, 0, '2026-11-24T10:00:00Z', 5, 0, 0), ('default', $1, 0, '2026-11-24T10:03:00Z', 1, 4, 1),
         ('default', $1, 1, '2026-11-24T10:03:00Z', 2, 0, 0)`,
      [id],
    );
    expect((await series()).data).toEqual({
      step: 'PT1M',
      points: [
        { at: '2026-11-24T10:00:00.000Z', started: 5, ended: 0, failed: 0 },
        { at: '2026-11-24T10:01:00.000Z', started: 0, ended: 0, failed: 0 },
        { at: '2026-11-24T10:02:00.000Z', started: 0, ended: 0, failed: 0 },
        { at: '2026-11-24T10:03:00.000Z', started: 3, ended: 4, failed: 1 },
      ],
    });
    expect((await series('?step=PT1H')).data).toEqual({
      step: 'PT1H',
      points: [{ at: '2026-11-24T10:00:00.000Z', started: 8, ended: 4, failed: 1 }],
    });
    expect((await series('?step=PT90S')).errors).toEqual([
      { pointer: '/query/step', detail: 'must be whole minutes: that is what is kept' },
    ]);
  });

  it('of a long rollout takes a coarser step, and refuses one that gives more than 1,000 points', async () => {
    const id = await create();
    await fleet.api.pool.query(
      `INSERT INTO rollout_series (tenant_id, rollout_id, position, at, ended)
       VALUES ('default', $1, 0, '2026-11-01T00:00:00Z', 1), ('default', $1, 0, '2026-11-08T00:00:00Z', 1)`,
      [id],
    );
    const whole = (await fleet.api.call('GET', `/v1/rollouts/${id}/series`)).body.data;
    expect([whole.step, whole.points.length]).toEqual(['PT1H', 169]);
    const { status, body } = await fleet.api.call('GET', `/v1/rollouts/${id}/series?step=PT1M`);
    expect([status, body.errors]).toEqual([
      400,
      [
        {
          pointer: '/query/step',
          detail: 'gives more than 1000 points; the finest step of this rollout is PT11M',
        },
      ],
    ]);
    const finest = (await fleet.api.call('GET', `/v1/rollouts/${id}/series?step=PT11M`)).body.data.points;
    expect(finest.length).toBeLessThanOrEqual(1_000);
  });

  it('of a rollout that does not exist is 404', async () => {
    const { status } = await fleet.api.call('GET', '/v1/rollouts/123e4567-e89b-12d3-a456-426655440010/series');
    expect(status).toBe(404);
  });
});

describe('resume', () => {
  const pauseFor = (id: string, reason: string) =>
    fleet.api.pool.query(`UPDATE rollouts SET pauses = $2 WHERE id = $1`, [
      id,
      JSON.stringify([{ reason, since: Date.now(), because: 'it is so', group: 'canary' }]),
    ]);
  const resume = (id: string, body?: unknown) => fleet.api.call('POST', `/v1/rollouts/${id}/resume`, body);

  it('asks for the reason that it ends', async () => {
    const id = await create();
    await fleet.api.call('POST', `/v1/rollouts/${id}/start`);
    await fleet.api.call('POST', `/v1/rollouts/${id}/pause`);
    expect((await resume(id)).status).toBe(400);
    expect((await resume(id, {})).body.errors).toMatchObject([{ pointer: '/reason' }]);
    expect((await resume(id, { reason: 'operator' })).body.data).toMatchObject({ phase: 'running', pauses: [] });
  });

  it.each(['gate_failed', 'gate_inconclusive'])('asks for a comment to end %s, and keeps it', async (reason) => {
    const id = await create();
    await fleet.api.call('POST', `/v1/rollouts/${id}/start`);
    await pauseFor(id, reason);
    const refused = await resume(id, { reason });
    expect([refused.status, refused.body.errors]).toEqual([
      400,
      [
        {
          pointer: '/comment',
          detail: `is required to end ${reason}, which overrides the gate: the history says why`,
        },
      ],
    ]);
    const comment = 'the two devices have no power';
    expect((await resume(id, { reason, comment })).status).toBe(202);
    const { data } = (await fleet.api.call('GET', `/v1/rollouts/${id}/events?order=desc&pageSize=1`)).body;
    expect(data).toMatchObject([{ event: 'resume', data: { reason, comment } }]);
  });
});

describe('If-Match', () => {
  const amend = (id: string, headers: Record<string, string>) =>
    fleet.api.call('PATCH', `/v1/rollouts/${id}`, { name: randomUUID() }, headers);

  it('with the version of the rollout lets a command through; with an earlier one it is 412, and nothing happens', async () => {
    const id = await create();
    expect((await amend(id, { 'If-Match': '"1"' })).body.data.version).toBe(2);
    const commands: [string, string, unknown][] = [
      ['PATCH', '', { name: 'another' }],
      ['POST', '/start', undefined],
      ['POST', '/abort', {}],
      ['POST', '/resume', { reason: 'operator' }],
      ['DELETE', '', undefined],
    ];
    for (const [method, path, body] of commands) {
      const late = await fleet.api.call(method, `/v1/rollouts/${id}${path}`, body, { 'If-Match': '"1"' });
      expect([method, path, late.status, late.body.errorCode, late.body.version]).toEqual([
        method,
        path,
        412,
        'REQUEST_PRECONDITION_FAILED',
        2,
      ]);
    }
    expect((await fleet.api.call('GET', `/v1/rollouts/${id}`)).body.data).toMatchObject({ version: 2, phase: 'draft' });
    for (const matching of ['"2"', '"1", "3"', '*', '5'])
      expect([matching, (await amend(id, { 'If-Match': matching })).status]).toEqual([matching, 200]);
    expect((await amend(id, { 'If-Match': 'W/"6"' })).body.errors).toEqual([
      { pointer: '/header/If-Match', detail: 'must be a version in quotes, such as "3"' },
    ]);
  });
});
