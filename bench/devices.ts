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
let greeted = new Set<string>();
let reported = 0;
let round = 0;

setInterval(() => {
  if (arrived.length > 0) tell({ said: 'documents', arrived });
  arrived = [];
  if (greeted.size > reported) tell({ said: 'greeted', count: greeted.size, round });
  reported = greeted.size;
}, TELL_EVERY_MS);

process.on('message', (message: ToFleet) => {
  if (message.do === 'connect') return void connectAll(message);
  round = message.round;
  greeted = new Set();
  reported = 0;
});
endWithParent();

async function connectAll({ url, devices, answer }: ToFleet & { do: 'connect' }): Promise<void> {
  for (let at = 0; at < devices.length; at += CONNECT_BATCH) {
    for (const login of devices.slice(at, at + CONNECT_BATCH)) {
      new LeanDevice({
        url,
        login,
        answer,
        dispatcher,
        greeted: () => greeted.add(login.deviceId),
        documentArrived: (deviceId) => arrived.push([deviceId, now()]),
        fault: (detail) => tell({ said: 'fault', detail }),
      });
    }
    await sleep(CONNECT_PAUSE_MS);
  }
}
