import { setTimeout as sleep } from 'node:timers/promises';
import { Agent } from 'undici';
import { endWithParent, tellParent } from './child.js';
import { LeanDevice } from './lean-device.js';
import type { FromFleet, ToFleet } from './messages.js';
import { now } from './wait.js';

/**
 * The process of the simulated devices: all of a run in one, so that their cost can be told apart. Started by fleet.ts.
 */

/**
 * News to the bench is gathered for so long: a message each would cost as much as the device. Times are taken before.
 */
const TELL_EVERY_MS = 50;
/** Connections that are made at once. */
const CONNECT_BATCH = 50;
const CONNECT_PAUSE_MS = 100;

const tell = (message: FromFleet) => tellParent(message);
const dispatcher = new Agent({ connections: 32 });
let arrived: [string, number][] = [];
let greeted = 0;
let reported = 0;

setInterval(() => {
  if (arrived.length > 0) tell({ said: 'documents', arrived });
  arrived = [];
  if (greeted > reported) tell({ said: 'greeted', count: greeted });
  reported = greeted;
}, TELL_EVERY_MS);

process.on('message', (message: ToFleet) => void connectAll(message));
endWithParent();

async function connectAll({ url, devices, answer }: ToFleet): Promise<void> {
  for (let at = 0; at < devices.length; at += CONNECT_BATCH) {
    for (const login of devices.slice(at, at + CONNECT_BATCH)) {
      let isGreeted = false;
      new LeanDevice({
        url,
        login,
        answer,
        dispatcher,
        greeted: () => {
          if (!isGreeted) greeted += 1;
          isGreeted = true;
        },
        documentArrived: (deviceId) => arrived.push([deviceId, now()]),
        fault: (detail) => tell({ said: 'fault', detail }),
      });
    }
    await sleep(CONNECT_PAUSE_MS);
  }
}
