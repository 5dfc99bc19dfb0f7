import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { startApi, type ApiUnderTest } from './api-under-test.js';
import { uploaded } from './upload.js';

let api: ApiUnderTest;
let firmware: string;
const devices: string[] = [];
beforeAll(async () => {
  api = await startApi('api_rollout_votes');
  const type = (await api.call('POST', '/v1/device-types', { name: 'Switch', slots: { firmware: { name: 'F' } } })).body
    .data.id as string;
  firmware = await uploaded(api, randomBytes(1000));
  const path = `/v1/device-types/${type}/slots/firmware/firmware-associations`;
  await api.call('POST', path, { firmwareId: firmware });
  for (const name of ['a', 'b'])
    devices.push(
      (await api.call('POST', '/v1/devices', { info: { name, deviceTypeId: type } })).body.data.id as string,
    );
});
afterAll(() => api.close());

it('four eyes are not amended away: a person who may not approve, or created the rollout, cannot loosen it', async () => {
  const groups = [{ name: 'canary', count: 1, approval: { required: 1 } }, { name: 'rest' }];
  const writer = await api.as({ role: 'writer' });
  const { body } = await writer.call('POST', '/v1/rollouts', {
    name: 'switch 1.5.0',
    steps: [{ slot: 'firmware', firmwareId: firmware }],
    targets: { deviceIds: devices },
    groups,
    approval: { fourEyes: true },
  });
  const at = `/v1/rollouts/${body.data.id as string}`;
  const decoy = {
    groups: [
      { name: 'canary', approval: null },
      { name: 'rest', approval: { required: 1 } },
    ],
  };
  const refused = await writer.call('PATCH', at, decoy);
  expect([refused.status, refused.body.errorCode]).toEqual([403, 'AUTH_FORBIDDEN']);
  expect(refused.body.errorMessage).toContain('this amendment (groups.canary.approval) loosens the plan');
  expect((await writer.call('PATCH', at, { pace: { maxInFlight: 1 } })).status).toBe(200);
  const loosened = await api.call('PATCH', at, decoy);
  expect([loosened.status, loosened.body.data.version]).toEqual([200, 3]);
  expect((await api.call('POST', `${at}/groups/rest/approve`)).status).toBe(403);
  const third = await api.as({});
  const approved = await third.call('POST', `${at}/groups/rest/approve`);
  expect(approved.body.data.groups[1].approval.given).toMatchObject([{ version: 3 }]);
  expect(((await api.call('GET', `${at}/events`)).body.data as unknown[]).slice(-2)).toMatchObject([
    { event: 'amended', data: { version: 3, loosens: ['groups.canary.approval'] } },
    { event: 'approve', data: { version: 3, group: 'rest' } },
  ]);
});
