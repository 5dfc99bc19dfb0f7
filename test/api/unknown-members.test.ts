import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startApi, type ApiUnderTest } from './api-under-test.js';

let api: ApiUnderTest;
let document: { paths: Record<string, Record<string, Operation>> };
interface Operation {
  readonly operationId: string;
  readonly requestBody?: { content: Record<string, { schema: Record<string, unknown> }> };
}
beforeAll(async () => {
  api = await startApi('api_unknown_members');
  document = (await (await fetch(`${api.url}/openapi.json`)).json()) as typeof document;
});
afterAll(() => api.close());

const ID = '123e4567-e89b-42d3-a456-426655440000';
const detailOf = async (method: string, path: string, body: unknown, pointer: string): Promise<string | undefined> =>
  ((await api.call(method, path, body)).body.errors as { pointer: string; detail: string }[] | undefined)?.find(
    (one) => one.pointer === pointer,
  )?.detail;

describe('A member that a body cannot have', () => {
  it.each<[string, string, string, unknown, string, RegExp]>([
    ['that belongs deeper', 'POST', '/v1/devices', { connectedBy: ID }, '/connectedBy', /; it belongs into \/info$/],
    [
      'that belongs to the top',
      'POST',
      '/v1/devices',
      { info: { name: 'd', deviceTypeId: ID, configuration: {} } },
      '/info/configuration',
      /; it belongs to the top of the body$/,
    ],
    ['that is misspelt', 'POST', '/v1/devices', { info: { nmae: 'x' } }, '/info/nmae', /; did you mean name\?$/],
    ['that is short and means nothing', 'POST', '/v1/rollouts', { xy: 1 }, '/xy', /^is unknown here; there are name, /],
    ['that means nothing', 'POST', '/v1/firmwares', { name: 'x', colour: 1 }, '/colour', /; there are name, .*version/],
    [
      'of a list',
      'POST',
      '/v1/rollouts',
      { groups: [{ name: 'a', percentage: 1 }] },
      '/groups/0/percentage',
      /; there are name, percent, count/,
    ],
    [
      'of a gate',
      'POST',
      '/v1/rollouts',
      { groups: [{ name: 'a', minSuccess: 1 }] },
      '/groups/0/minSuccess',
      /; it belongs into \/groups\/0\/gate$/,
    ],
    [
      'of an element of a list',
      'POST',
      '/v1/rollouts',
      { firmwareId: ID },
      '/firmwareId',
      /it belongs into \/steps\/\*$/,
    ],
    ['of a pace', 'POST', '/v1/rollouts', { maxInFlight: 5 }, '/maxInFlight', /; it belongs into \/pace$/],
  ])('%s is answered with what was meant', async (_what, method, path, body, pointer, detail) => {
    expect(await detailOf(method, path, body, pointer)).toMatch(detail);
  });

  it('is named with the known ones by every route that takes a body', async () => {
    const silent: string[] = [];
    let bodies = 0;
    for (const [path, operations] of Object.entries(document.paths))
      for (const [method, { requestBody }] of Object.entries(operations)) {
        const schema = requestBody?.content['application/json']?.schema;
        if (schema === undefined) continue;
        const url = path.replace('{slotName}', 'firmware').replace(/\{\w+\}/g, ID);
        const detail = await detailOf(method.toUpperCase(), url, { 'no such member': 1 }, '/no such member');
        bodies += 1;
        if (detail === undefined || !/^is unknown here; (there are|the body has no members)/.test(detail))
          silent.push(`${method} ${path}: ${detail ?? 'no fault names it'}`);
      }
    expect(bodies).toBeGreaterThan(20);
    expect(silent).toEqual([]);
  });
});
