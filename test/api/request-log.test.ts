import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import pino from 'pino';
import { membersOfRequest } from '../../runtime/request-context.js';
import { idsIn } from '../../api/http/request-log.js';
import { until } from '../support/until.js';
import { startApi, type ApiUnderTest } from './api-under-test.js';

let api: ApiUnderTest;
const lines: Record<string, unknown>[] = [];
beforeAll(
  async () =>
    (api = await startApi('request log', {
      services: {
        log: pino(
          { mixin: membersOfRequest },
          { write: (line) => void lines.push(JSON.parse(line) as Record<string, unknown>) },
        ),
      },
    })),
);
afterAll(() => api.close());

const [one, other] = [randomUUID(), randomUUID()];

describe('A line of the log about a request', () => {
  it('names the device, the installation and the tenant that it is about', async () => {
    await api.call('GET', `/v1/devices/${one}/firmware-installations/${other}`);
    const line = await until('the line', () =>
      lines.find((each) => each['path'] === `/v1/devices/${one}/firmware-installations/${other}`),
    );
    expect(line).toMatchObject({ deviceId: one, installationId: other, tenantId: 'default', status: 403 });
  });

  it('has the X-Request-Id of its request, as every other line that is written for it', async () => {
    const path = `/v1/devices/${randomUUID()}`;
    await api.call('GET', path, undefined, { 'x-request-id': 'night-7', authorization: 'Bearer none' });
    const found = await until('both lines', () => {
      const mine = lines.filter((each) => each['requestId'] === 'night-7');
      return mine.length >= 2 ? mine : undefined;
    });
    expect(found.map(({ msg }) => String(msg))).toEqual([expect.stringMatching(/^refused/), 'answered']);
  });

  it.each([
    [`/v1/devices/${one}`, { deviceId: one }],
    [`/v1/devices/${one}/credentials/${other}`, { deviceId: one }],
    [`/v1/firmwares/${one}/blob`, { firmwareId: one }],
    [`/v1/rollouts/${one}/devices`, { rolloutId: one }],
    [`/download/installations/acme/${one}`, { installationId: one }],
    [`/download/firmwares/acme.x/${one}`, { firmwareId: one }],
    ['/v1/devices', {}],
    // A word that every object of JavaScript knows.
    [`/v1/constructor/${one}`, {}],
    [`/v1/devices/${one}x`, {}],
  ])('finds them in %s', (path, ids) => expect(idsIn(path)).toEqual(ids));
});
