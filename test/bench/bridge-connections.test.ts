import { describe, expect, it } from '@jest/globals';
import { BridgeConnections } from '../../bench/storm/bridge-connections.js';

const LOG = [
  '1764560000: mosquitto version 2.0.11 starting',
  "1764560001: New client connected from 127.0.0.1:1000 as slipway-bridge-7 (p2, c0, k60, u'slipway-service').",
  "1764560001: New client connected from 127.0.0.1:1001 as slipway-bridge-7-comparison (p2, c1, k60, u'slipway-service').",
  "1764560001: New client connected from 127.0.0.1:1002 as slipway-bridge-7-administrator (p2, c1, k60, u'slipway-service').",
  "1764560002: New client connected from 127.0.0.1:1003 as 0199 (p2, c1, k60, u'default/0199').",
  '1764560003: Client slipway-bridge-7 closed its connection.',
  "1764560004: New client connected from 127.0.0.1:1004 as slipway-bridge-7 (p2, c0, k60, u'slipway-service').",
  '',
].join('\n');

describe("The bridge's connections in what mosquitto prints", () => {
  it.each([LOG.length, 1, 7, 100])('are counted, in pieces of %d characters', (size) => {
    const bridge = new BridgeConnections('slipway-service');
    for (let at = 0; at < LOG.length; at += size) bridge.take(LOG.slice(at, at + size));
    expect(bridge.begun).toBe(2);
  });
});
