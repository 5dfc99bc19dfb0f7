import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startApi, type ApiUnderTest } from './api-under-test.js';

let api: ApiUnderTest;
beforeAll(async () => (api = await startApi('merge_patch_limit')));
afterAll(() => api.close());

describe('Merge patches of a device', () => {
  it('are refused where their result is larger than a body may be, and shrink it again', async () => {
    const type = await api.call('POST', '/v1/device-types', { name: 'switch' });
    const { body: made } = await api.call('POST', '/v1/devices', {
      info: { name: 'one', deviceTypeId: type.body.data.id },
    });
    const path = `/v1/devices/${made.data.id}`;
    const grow = (member: number) =>
      api.call('PATCH', path, { custom: { [`member-${member}`]: { text: 'x'.repeat(300_000) } } });
    const replies = [await grow(1), await grow(2), await grow(3), await grow(4)];
    expect(replies.map(({ status }) => status)).toEqual([200, 200, 200, 413]);
    expect(replies[3]!.body.errorCode).toBe('REQUEST_TOO_LARGE');
    expect((await api.call('PATCH', path, { custom: { 'member-1': null } })).status).toBe(200);
    expect((await grow(4)).status).toBe(200);
  });
});
