import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startApi, type ApiUnderTest, type Reply } from './api-under-test.js';
import { uploaded } from './upload.js';

let api: ApiUnderTest;
let firmware: string;
let device: string;
beforeAll(async () => {
  api = await startApi('api_draft_rollouts');
  const type = (await api.call('POST', '/v1/device-types', { name: 'Switch', slots: { firmware: { name: 'F' } } })).body
    .data.id as string;
  firmware = await uploaded(api, randomBytes(1000));
  const path = `/v1/device-types/${type}/slots/firmware/firmware-associations`;
  await api.call('POST', path, { firmwareId: firmware });
  device = (await api.call('POST', '/v1/devices', { info: { name: 'd', deviceTypeId: type } })).body.data.id as string;
});
afterAll(() => api.close());

async function created(): Promise<string> {
  const steps = [{ slot: 'firmware', firmwareId: firmware }];
  const plan = { name: 'switch 1.5.0', steps, targets: { deviceIds: [device] } };
  return (await api.call('POST', '/v1/rollouts', plan)).body.data.id as string;
}

const events = async (id: string) =>
  ((await api.call('GET', `/v1/rollouts/${id}/events`)).body.data as { event: string }[]).map((one) => one.event);
const pointersOf = (reply: Reply) => (reply.body.errors as { pointer: string }[]).map((one) => one.pointer);

describe('a draft', () => {
  it('is renamed and deleted; its history stays', async () => {
    const id = await created();
    expect((await api.call('PATCH', `/v1/rollouts/${id}`, { name: 'other' })).body.data).toMatchObject({
      name: 'other',
      version: 2,
    });
    expect((await api.call('GET', '/v1/rollouts?q=other')).body.data).toMatchObject([{ id }]);
    expect(pointersOf(await api.call('PATCH', `/v1/rollouts/${id}`, { name: '' }))).toEqual(['/name']);
    expect((await api.call('DELETE', `/v1/rollouts/${id}`)).status).toBe(204);
    for (const path of [`/v1/rollouts/${id}`, `/v1/rollouts/${id}/devices`])
      expect((await api.call('GET', path)).status).toBe(404);
    expect((await api.call('DELETE', `/v1/rollouts/${id}`)).status).toBe(404);
    expect(await events(id)).toEqual(['created', 'amended', 'deleted']);
  });

  it('is deleted only while it is a draft or once it has ended: while it runs it is refused, with the way out', async () => {
    const id = await created();
    await api.call('POST', `/v1/rollouts/${id}/start`);
    const refused = await api.call('DELETE', `/v1/rollouts/${id}`);
    expect([refused.status, refused.body.errorCode]).toEqual([409, 'ROLLOUT_STATE']);
    expect(refused.body.errorMessage).toMatch(/cannot be deleted while it is running: .*abort it/);
    await api.call('POST', `/v1/rollouts/${id}/abort`);
    // What its process does, as nothing is open.
    await api.pool.query('UPDATE rollouts SET closed_at = now(), phase = $2 WHERE id = $1', [id, 'aborted']);
    expect((await api.call('DELETE', `/v1/rollouts/${id}`)).status).toBe(204);
    // Its history stays: as pages, also behind their end, and as a stream that tells nothing more.
    const path = `/v1/rollouts/${id}/events`;
    const { body } = await api.call('GET', `${path}?pageSize=1`);
    expect((await api.call('GET', `${path}?cursor=${body.meta.nextCursor}`)).status).toBe(200);
    expect((await api.call('GET', path, undefined, { accept: 'text/event-stream' })).status).toBe(204);
    expect((await api.call('GET', `/v1/rollouts/${randomUUID()}/events`)).status).toBe(404);
  });

  it('whose firmware was deleted says in its actions that it cannot start, and why', async () => {
    const id = await created();
    const startOf = async () =>
      (await api.call('GET', `/v1/rollouts/${id}`)).body.data.actions.start as { allowed: boolean; whyNot?: string };
    expect(await startOf()).toEqual({ allowed: true });
    expect((await api.call('DELETE', `/v1/firmwares/${firmware}`)).status).toBe(204);
    expect(await startOf()).toEqual({
      allowed: false,
      whyNot: 'its firmware was deleted since it was drafted; delete the draft and create another rollout',
    });
    expect((await api.call('POST', `/v1/rollouts/${id}/start`)).status).toBe(409);
  });
});
