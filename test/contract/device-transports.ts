import type { BridgeUnderTest } from '../bridge/bridge-under-test.js';
import type { Payload } from '../bridge/hand-made-device.js';
import type { StoryDevice } from './story-device.js';
import { until } from '../support/until.js';
import { ApiBeside } from '../support/api-beside.js';
import { HttpDevice } from './http-device.js';

/** How the devices of the stories speak. */
export interface Transport {
  /** Whether devices are made with a password; else they have no more than what `device` gives them. */
  readonly hasPasswords: boolean;
  start(bridge: BridgeUnderTest): Promise<void>;
  /** Connected. */
  device(id: string): Promise<StoryDevice>;
  /** It is cut, and all that has to pass before the service takes it for offline passes. */
  vanishes(device: StoryDevice, isOffline: () => Promise<boolean>): Promise<void>;
  /** What a command says beside its name, where it says more than that. */
  said(more: Payload): Payload;
  end(): Promise<void>;
}

/** Over the broker. */
export function overMqtt(): Transport {
  let bridge: BridgeUnderTest;
  return {
    hasPasswords: true,
    start: async (given) => void (bridge = given),
    device: (id) => bridge.device(id),
    async vanishes(device, isOffline) {
      device.cut();
      await until('the last will arrived', isOffline);
    },
    said: (more) => more,
    end: async () => undefined,
  };
}

/** Longer than a wait and what is granted after it. */
const AFTER_A_WAIT_MS = 200_000;

/** Over HTTP, each request to another of two APIs, while the bridge leads elsewhere. */
export function overHttp(): Transport {
  let bridge: BridgeUnderTest;
  let apis: ApiBeside[] = [];
  const devices: HttpDevice[] = [];
  return {
    hasPasswords: false,
    async start(given) {
      bridge = given;
      apis = await Promise.all([1, 2].map(() => ApiBeside.start(bridge.pool, bridge.databaseUrl)));
    },
    async device(id) {
      const { tenantId } = bridge.facts;
      const device = new HttpDevice(
        apis.map((api) => api.url),
        tenantId,
        id,
        await bridge.facts.token(id),
      );
      devices.push(device);
      return device.connect();
    },
    async vanishes(device, isOffline) {
      device.cut();
      bridge.aheadMs = AFTER_A_WAIT_MS;
      await until('nothing was heard for two minutes', isOffline);
      bridge.aheadMs = 0;
    },
    said: () => ({}),
    async end() {
      await Promise.all(devices.map((device) => device.end()));
      await Promise.all(apis.map((api) => api.close()));
    },
  };
}
