import { setTimeout as sleep } from 'node:timers/promises';
import type { Fleet } from '../../agent/simulator/fleet.js';
import { defined } from '../../domain/defined.js';
import type { InstallationResource, Operator } from '../service/operator.js';
import type { Outcome } from './outcome.js';
import { isOver, Picture, type DeviceRow } from './picture.js';
import type { Member, DemoSetup } from '../service/set-up.js';

/** A round of the picture asks for all devices once. */
const LOOK_MS = 400;
/** Beside theirs there are those of the lamps that try out a version meanwhile. */
const NEWEST = 100;
/** Long past the slowest profile: then something is stuck, and the table says which. */
const DEADLINE_MS = 120_000;

interface Scheduled extends Member {
  readonly installationId: string;
}

/** Installs on 50 devices one by one, each with its own fault profile: shows each, and how it ended. */
export async function runInstallationsDemo(
  operator: Operator,
  stage: DemoSetup,
  fleet: Fleet,
  stop: AbortSignal,
): Promise<Outcome[]> {
  const said = new Map<string, string>();
  fleet.onEvent(({ device, phase, detail }) => said.set(device, detail === '' ? phase : `${phase}: ${detail}`));
  await fleet.start();
  const scheduled = await schedule(operator, stage);
  const ended = await watch(operator, scheduled, fleet, said, stop);
  return judge(fleet, scheduled, ended, stage);
}

/** Short enough to be watched; everything else stays at its default. */
const TERMS = {
  timeouts: { offer: 'PT12S', download: 'PT30S', install: 'PT30S', confirm: 'PT15S' },
  retry: { maxAttempts: 3, backoff: { first: 'PT1S' } },
};

function schedule(operator: Operator, { members, firmwares }: DemoSetup): Promise<Scheduled[]> {
  return Promise.all(
    members.map(async (member) => {
      const { id } = await operator.install(member.deviceId, {
        firmwareId: firmwares[member.slot].id,
        slot: member.slot,
        ...TERMS,
      });
      return { ...member, installationId: id };
    }),
  );
}

/** Until every installation has ended, or the deadline has come. @returns them in the order of `scheduled` */
async function watch(
  operator: Operator,
  scheduled: readonly Scheduled[],
  fleet: Fleet,
  said: ReadonlyMap<string, string>,
  stop: AbortSignal,
): Promise<InstallationResource[]> {
  const picture = new Picture(process.stdout, Date.now());
  for (const end = Date.now() + DEADLINE_MS; ; await sleep(LOOK_MS)) {
    const found = new Map((await operator.installations(NEWEST)).map((one) => [one.id, one]));
    const rows = scheduled.map((one): DeviceRow => ({
      name: one.name,
      isChild: one.isChild,
      profile: fleet.device(one.deviceId).profile.name,
      installation: defined(found.get(one.installationId), 'what was scheduled is in the list'),
      said: said.get(one.deviceId) ?? '',
    }));
    picture.draw(rows);
    const installations = rows.map(({ installation }) => installation);
    if (installations.every(isOver) || Date.now() > end) return installations;
    if (stop.aborted) throw new Error('stopped before all was over');
  }
}

/** Holds each device's disk against what the service says: neither is believed alone. */
function judge(
  fleet: Fleet,
  scheduled: readonly Scheduled[],
  ended: readonly InstallationResource[],
  { firmwares }: DemoSetup,
): Promise<Outcome[]> {
  return Promise.all(
    scheduled.map(async (one, index): Promise<Outcome> => {
      const installation = defined(ended[index], 'the installations are in the order in which they were scheduled');
      const device = fleet.device(one.deviceId);
      const isNew = await device.holds(one.slot, firmwares[one.slot].sha256);
      const wrong =
        isNew === (installation.state === 'installed')
          ? undefined
          : `the service says ${installation.state}, but the slot's file is ${isNew ? 'the new one' : 'not the new one'}`;
      return {
        name: one.name,
        isChild: one.isChild,
        profile: device.profile.name,
        installation,
        expected: device.profile.expected,
        wrong,
      };
    }),
  );
}
