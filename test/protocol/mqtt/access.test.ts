import { describe, expect, it } from '@jest/globals';
import {
  mayLeaveWill,
  mayPublish,
  mayReceive,
  mayRetain,
  maySubscribe,
  parseUsername,
  type Identity,
} from '../../../protocol/mqtt/access.js';

const service: Identity = { kind: 'service' };
const device: Identity = { kind: 'device', tenant: 'acme', node: 'gw-1' };
const mine = 'slipway/v1/acme/gw-1';

describe('A device', () => {
  it.each([
    'gw-1/up/hello',
    'gw-1/up/presence',
    'gw-1/up/status',
    'lamp/up/hello',
    'lamp/up/status',
    'lamp/up/progress',
    'lamp/up/log',
  ])('may publish to its own %s', (rest) => {
    expect(mayPublish(device, `${mine}/${rest}`)).toBe(true);
  });

  it.each([
    `${mine}/lamp/up/presence`,
    `${mine}/gw-1/down/cmd`,
    `${mine}/lamp/down/desired/firmware`,
    `${mine}/ended`,
    `${mine}/gw-1/up/other`,
    `${mine}/gw-1/up/status/x`,
    `${mine}/up/status`,
    'slipway/v1/acme/gw-2/gw-2/up/status',
    'slipway/v1/acme/gw-2/gw-1/up/status',
    'slipway/v1/other/gw-1/gw-1/up/status',
    'slipway/v1/acme/gw-10/gw-1/up/status',
    'slipway/v2/acme/gw-1/gw-1/up/status',
    '$SYS/x',
    'anything',
    '',
    `${mine}/+/up/status`,
    `${mine}/../gw-2/up/status`,
  ])('may not publish to %s', (topic) => {
    expect(mayPublish(device, topic)).toBe(false);
  });

  it.each([
    `${mine}/+/down/#`,
    `${mine}/gw-1/down/#`,
    `${mine}/lamp/down/desired/+`,
    `${mine}/lamp/down/desired/firmware`,
    `${mine}/+/down/desired/#`,
    `${mine}/+/down/cmd`,
    `${mine}/+/down/+`,
    `${mine}/+/down/+/+`,
    `${mine}/gw-1/down/ack`,
  ])('may subscribe to %s', (filter) => {
    expect(maySubscribe(device, filter)).toBe(true);
  });

  it.each([
    '#',
    '+',
    '+/#',
    'slipway/#',
    'slipway/v1/#',
    'slipway/v1/acme/#',
    `${mine}/#`,
    `${mine}/+/#`,
    `${mine}/+/+/#`,
    `${mine}/+/+/cmd`,
    `${mine}/+/up/#`,
    `${mine}/gw-1/up/status`,
    'slipway/v1/+/gw-1/+/down/#',
    'slipway/v1/acme/+/+/down/#',
    'slipway/v1/acme/gw-2/+/down/#',
    'slipway/v1/other/gw-1/+/down/#',
    '+/v1/acme/gw-1/+/down/#',
    'slipway/+/acme/gw-1/+/down/#',
    `$share/g/${mine}/+/down/#`,
    `$queue/${mine}/+/down/#`,
    '$SYS/#',
    `${mine}/+/down/#/x`,
    `${mine}/#/down/cmd`,
    `${mine}/+/down`,
    `${mine}/+/down/desired/a/b`,
    '',
    `${mine}//down/#`,
    `${mine}/+/down/de+`,
  ])('may not subscribe to %s', (filter) => {
    expect(maySubscribe(device, filter)).toBe(false);
  });

  it('is handed only what is sent to its own node', () => {
    expect(mayReceive(device, `${mine}/lamp/down/cmd`)).toBe(true);
    for (const topic of [
      'slipway/v1/acme/gw-2/lamp/down/cmd',
      'slipway/v1/other/gw-1/gw-1/down/cmd',
      `${mine}/gw-1/up/status`,
      '$SYS/x',
    ])
      expect(mayReceive(device, topic)).toBe(false);
  });

  it('may leave a will only for itself, and retain only presence', () => {
    expect(mayLeaveWill(device, `${mine}/gw-1/up/presence`)).toBe(true);
    expect(mayLeaveWill(device, `${mine}/lamp/up/status`)).toBe(false);
    expect(mayLeaveWill(device, 'slipway/v1/acme/gw-2/gw-2/up/presence')).toBe(false);
    expect(mayRetain(device, `${mine}/gw-1/up/presence`)).toBe(true);
    expect(mayRetain(device, `${mine}/gw-1/up/status`)).toBe(false);
  });
});

describe('The service', () => {
  it('publishes documents, commands and receipts, and nothing that devices say', () => {
    for (const rest of ['desired/firmware', 'cmd', 'ack'])
      expect(mayPublish(service, `${mine}/lamp/down/${rest}`)).toBe(true);
    for (const topic of [`${mine}/gw-1/up/status`, 'elsewhere', '$SYS/x', `${mine}/gw-1/down/hello`])
      expect(mayPublish(service, topic)).toBe(false);
  });

  it('receives everything of the protocol and nothing else', () => {
    for (const filter of ['slipway/v1/+/+/+/up/#', 'slipway/v1/+/+/+/down/desired/#', 'slipway/v1/#'])
      expect(maySubscribe(service, filter)).toBe(true);
    for (const filter of ['#', 'slipway/#', '$SYS/#', '$share/g/slipway/v1/+/+/+/up/#', '+/v1/+/+/+/up/#'])
      expect(maySubscribe(service, filter)).toBe(false);
  });
});

describe('A user name', () => {
  it('of a device is tenant/node', () => {
    expect(parseUsername('acme/gw-1')).toEqual({ tenant: 'acme', node: 'gw-1' });
    for (const odd of ['acme', 'acme/', '/gw', 'a/b/c', '+/gw', 'acme/#', '', 'acme/g w'])
      expect(parseUsername(odd)).toBeUndefined();
  });
});
