import { describe, expect, it } from '@jest/globals';
import {
  ackTopic,
  cmdTopic,
  desiredTopic,
  deviceFilter,
  isSlotName,
  parseTopic,
  SERVICE_FILTER,
  UP_TYPES,
  upTopic,
} from '../../../protocol/mqtt/topics.js';

const child = { tenant: 'acme', node: 'gw-1', device: 'lamp.7' };
const LONG = 'x'.repeat(64);

describe('Topics', () => {
  it.each(UP_TYPES)('that are built for up/%s parse to what they were built from', (type) => {
    expect(parseTopic(upTopic(child, type))).toEqual({ ...child, direction: 'up', type });
  });

  it('that are built for down parse to what they were built from', () => {
    expect(parseTopic(desiredTopic(child, 'firmware'))).toEqual({
      ...child,
      direction: 'down',
      type: 'desired',
      slot: 'firmware',
    });
    expect(parseTopic(cmdTopic(child))).toEqual({ ...child, direction: 'down', type: 'cmd' });
    expect(parseTopic(ackTopic(child))).toEqual({ ...child, direction: 'down', type: 'ack' });
  });

  it('are spelled as the specification spells them', () => {
    expect(upTopic(child, 'status')).toBe('slipway/v1/acme/gw-1/lamp.7/up/status');
    expect(desiredTopic(child, 'boot')).toBe('slipway/v1/acme/gw-1/lamp.7/down/desired/boot');
    expect(deviceFilter('acme', 'gw-1')).toBe('slipway/v1/acme/gw-1/+/down/#');
    expect(SERVICE_FILTER).toBe('slipway/v1/+/+/+/up/#');
  });

  it.each([
    `slipway/v1/${LONG}/${LONG}/${LONG}/up/hello`,
    `slipway/v1/a/b/c/down/desired/${'s'.repeat(255)}`,
    'slipway/v1/./../-/up/hello',
  ])('take levels up to their full length: %.60s', (topic) => {
    expect(parseTopic(topic)).toBeDefined();
  });

  it.each([
    '',
    '/',
    'slipway',
    'slipway/v1',
    'slipway/v1/a/b/c',
    'slipway/v1/a/b/c/up',
    'slipway/v1/a/b/c/up/',
    'slipway/v1/a/b/up/hello',
    'slipway/v2/a/b/c/up/hello',
    'slipway/V1/a/b/c/up/hello',
    'other/v1/a/b/c/up/hello',
    '/slipway/v1/a/b/c/up/hello',
    ' slipway/v1/a/b/c/up/hello',
    'slipway/v1/a/b/c/up/hello/',
    'slipway/v1/a/b/c/up/hello/firmware',
    'slipway/v1/a/b/c/up/HELLO',
    'slipway/v1/a/b/c/up/desired/x',
    'slipway/v1/a/b/c/UP/hello',
    'slipway/v1/a/b/c/sideways/hello',
    'slipway/v1//b/c/up/hello',
    'slipway/v1/a//c/up/hello',
    'slipway/v1/a/b//up/hello',
    'slipway/v1/a/+/c/up/hello',
    'slipway/v1/a/b/#',
    'slipway/v1/a/b/c/up/#',
    'slipway/v1/a/b/c d/up/hello',
    'slipway/v1/a/b/ç/up/hello',
    'slipway/v1/a/b/c\0/up/hello',
    'slipway/v1/a/b/c\n/up/hello',
    `slipway/v1/a/b/${LONG}x/up/hello`,
    `slipway/v1/${LONG}x/b/c/up/hello`,
    'slipway/v1/a/b/c/down',
    'slipway/v1/a/b/c/down/desired',
    'slipway/v1/a/b/c/down/desired/',
    'slipway/v1/a/b/c/down/desired/x/y',
    'slipway/v1/a/b/c/down/desired/+',
    `slipway/v1/a/b/c/down/desired/${'s'.repeat(256)}`,
    'slipway/v1/a/b/c/down/desired/constructor',
    'slipway/v1/a/b/c/down/desired/__proto__',
    'slipway/v1/a/b/c/down/cmd/x',
    'slipway/v1/a/b/c/down/ack/',
    'slipway/v1/a/b/c/down/hello',
    '$SYS/broker/uptime',
    '$share/g/slipway/v1/a/b/c/up/hello',
  ])('that are not exactly of the protocol do not parse: %j', (topic) => {
    expect(parseTopic(topic)).toBeUndefined();
  });

  it.each(['+', '#', 'a/b', '', 'x'.repeat(65), 'ä'])(
    'cannot be built with %j as a level: it would reach another device',
    (level) => {
      expect(() => upTopic({ ...child, device: level }, 'hello')).toThrow(/cannot be a level/);
      expect(() => cmdTopic({ ...child, node: level })).toThrow(/cannot be a level/);
      expect(() => deviceFilter(level, 'node')).toThrow(/cannot be a level/);
      expect(() => desiredTopic(child, level.length === 65 ? '+' : level)).toThrow(/cannot be a/);
    },
  );

  it('know what can be a slot', () => {
    expect(['firmware', 'boot-loader', '1.2_x'].every(isSlotName)).toBe(true);
    expect(['', 'a b', 'toString', '__proto__', 'a/b'].some(isSlotName)).toBe(false);
  });
});
