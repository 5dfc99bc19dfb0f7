import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Operator } from '../service/operator.js';
import type { Sight } from '../terminal/dashboard.js';
import { BAD_VERSION, type Lamp, type Sites } from './sites.js';

const FIRMWARE_BYTES = 128 * 1024;
const GOOD_VERSION = '2.0.0';
/** The sequential test of a gate needs a group of some size; below it, the share that was seen decides. */
const LEAST_FOR_TEST = 2_000;
const ONLINE_MS = 180_000;
/** Lamps that are held at their gate, and that are offered something although they were never heard. */
const FEW = 5;

const COMMON = {
  stopIf: [],
  // A lamp that was never heard, or that its gateway does not reach, shall not hold a gate for a day.
  pace: { awayAfter: 'PT20S' },
  retry: { maxAttempts: 1 },
  timeouts: { offer: 'PT30S', download: 'PT2M', install: 'PT5M', confirm: 'PT2M', target: 'PT2H' },
};

/** Waits until most gateways are there: a rollout takes only lamps that can be reached. */
export async function untilGatewaysOnline(operator: Operator, { gateways }: Sites): Promise<void> {
  for (const end = Date.now() + ONLINE_MS; ; await sleep(500)) {
    const known = await operator.all<{ online: boolean }>('/v1/devices?tag=gateway&fields=id,online');
    const online = known.filter((one) => one.online).length;
    if (online === gateways.length) return;
    if (Date.now() > end) throw new Error(`only ${online} of ${gateways.length} gateways came online`);
  }
}

/** Begins what is worth a look: a rollout in each mood, and lamps that are stuck. @returns where to look */
export async function beginScene(operator: Operator, sites: Sites, dir: string): Promise<Sight[]> {
  const upload = async (version: string): Promise<string> => {
    const file = join(dir, `street-lamp-${version}.bin`);
    writeFileSync(file, randomBytes(FIRMWARE_BYTES));
    const id = await operator.firmware('street lamp', version, file);
    await operator.associate(sites.typeId, 'firmware', id);
    return id;
  };
  const [good, bad] = [await upload(GOOD_VERSION), await upload(BAD_VERSION)];
  const drafted = async (region: string, firmwareId: string, version: string, more: object): Promise<string> => {
    const { id } = await operator.call<{ id: string }>('POST', '/v1/rollouts', {
      name: `street lamp ${version}, ${region}`,
      steps: [{ slot: 'firmware', firmwareId }],
      targets: { filter: `tag==lamp;tag==${region}` },
      ...COMMON,
      ...more,
    });
    return id;
  };
  const started = async (...of: Parameters<typeof drafted>): Promise<string> => {
    const id = await drafted(...of);
    await operator.call('POST', `/v1/rollouts/${id}/start`, {});
    return id;
  };

  // Of a region whose rollout is a draft: what waits here holds no gate.
  const held = firstOf(sites, 'west', 'good').slice(0, FEW);
  for (const { id } of held) await operator.install(id, { firmwareId: good, slot: 'firmware', gate: 'hold' });
  const absent = firstOf(sites, 'west', 'absent').slice(0, FEW);
  for (const { id } of absent) await operator.install(id, { firmwareId: good, slot: 'firmware' });
  const isLarge = sites.lamps.length >= LEAST_FOR_TEST;
  const running = await started('north', good, GOOD_VERSION, {
    groups: [
      { name: 'canary', count: 10, gate: { minSuccess: 0.7 } },
      {
        name: 'early',
        percent: 30,
        gate: isLarge ? { maxFailureRate: 0.12, confidence: 0.9 } : { minSuccess: 0.7 },
      },
      { name: 'rest', gate: { minSuccess: 0.7 } },
    ],
    pace: { ...COMMON.pace, maxInFlight: 60, startsPerMinute: 120 },
  });
  const stopped = await started('south', bad, BAD_VERSION, {
    groups: [{ name: 'canary', count: 10, gate: { minSuccess: 0.9 } }, { name: 'rest' }],
  });
  const awaited = await started('east', good, GOOD_VERSION, {
    groups: [{ name: 'canary', count: 10 }, { name: 'rest' }],
    approval: { required: 2 },
  });
  await drafted('west', good, GOOD_VERSION, {});
  return [
    ['the fleet: up to date, behind, silent; what is stuck and why', '/'],
    [`${sites.lamps.length.toLocaleString('en')} lamps: filter, select all, tag them`, '/devices'],
    ['those that hold the oldest version', '/devices?filter=slot.firmware.version%3D%3D1.0.0'],
    ['one that is held at its gate: release it', `/devices/${held[0]?.id ?? ''}`],
    ['a rollout that moves: amend its pace, see the forecast', `/rollouts/${running}`],
    ['a bad version that its canary stopped: roll it back', `/rollouts/${stopped}`],
    ['a rollout that waits for two votes', `/rollouts/${awaited}`],
    ['what waits for a vote', '/approvals'],
    ['gateways, and what their lamps wait for', '/gateways'],
  ];
}

function firstOf({ lamps }: Sites, region: string, mood: Lamp['mood']): Lamp[] {
  return lamps.filter((lamp) => lamp.region === region && lamp.mood === mood);
}
