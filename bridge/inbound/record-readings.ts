import { paired } from '../../domain/pairs.js';
import type { Ack, UpMessage } from '../../protocol/mqtt/payloads.js';
import { resolveAliases } from '../../store/fleet/aliases.js';
import { keepDiagnostics, type Diagnostic } from '../../store/fleet/diagnostics.js';
import { ancestorsOf, reachOf } from '../../store/fleet/gateways.js';
import { assertLease, type Fence } from '../../store/db/leases.js';
import type { Pool, Tx } from '../../store/db/pool.js';
import { lockedDevices } from '../../store/installations/device-aggregate.js';
import { record, type Recorded, type Report } from '../../store/record.js';
import { asService } from '../../store/db/transaction.js';
import { diagnosticOf, presenceSource, type Reading } from './reading.js';
import { receiptsOf } from './receipts.js';
import { REFUSAL_SENTENCES } from './refusals.js';
import { aliasesIn, ceilingsIn, damagedIn, linesOf, reportsOf, unknownChildren } from './reports.js';
import { deviceKey } from '../../store/db/keys.js';

/** What became of one message, in the order of the batch. */
export interface Noted {
  /** Reports that were taken. */
  readonly recorded: number;
  /** Reasons, one for each that was not. */
  readonly refusals: readonly string[];
  readonly receipts: readonly { readonly topic: string; readonly ack: Ack }[];
}

/**
 * One transaction for a batch of messages: what they report, and why the others were refused. Nothing is acknowledged
 * before it has committed.
 * @param lockMs how long it waits for one row that another transaction holds
 * @throws LeaseLost, and whatever PostgreSQL says: then nothing of the batch was written.
 */
export function recordReadings(
  pool: Pool,
  fence: Fence,
  readings: readonly Reading[],
  now: number,
  lockMs: number,
): Promise<Noted[]> {
  const work = async (tx: Tx): Promise<Noted[]> => {
    await assertLease(tx, fence);
    const answered = await recordMessages(
      tx,
      readings.flatMap((reading) => ('message' in reading ? [reading] : [])),
      now,
    );
    let next = 0;
    const answers = readings.map((reading) => ('message' in reading ? answered[next++] : undefined));
    const keepers = await keepersOf(tx, readings);
    await keepDiagnostics(
      tx,
      readings.flatMap((reading, index) => diagnosticsOf(reading, answers[index], keepers, now)),
    );
    return readings.map((reading, index) => notedOf(reading, answers[index]));
  };
  return asService(pool, work, { lockMs });
}

/**
 * Of the devices that these messages are about, those whose rows another transaction holds at this moment.
 * @returns `deviceKey` of each.
 */
export function lockedAmong(pool: Pool, fence: Fence, readings: readonly Reading[]): Promise<Set<string>> {
  const about = readings.flatMap((reading) => ('message' in reading ? [reading.message] : []));
  return asService(pool, async (tx) => {
    await assertLease(tx, fence);
    return lockedDevices(
      tx,
      about.map(({ tenant, device }) => ({ tenantId: tenant, deviceId: device })),
    );
  });
}

interface Answer {
  /** Of its reports, in their order. */
  readonly recorded: readonly Recorded[];
  readonly reports: readonly Report[];
  readonly receipts: Noted['receipts'];
  /** Children that it names and that are unknown. */
  readonly unknownChildren: readonly string[];
}

type Message = Extract<Reading, { readonly message: UpMessage }>;

async function recordMessages(tx: Tx, readings: readonly Message[], now: number): Promise<Answer[]> {
  const aliases = await resolveAliases(tx, readings.map((one) => one.message).flatMap(aliasesIn));
  const strangers = await presentWithoutCredential(tx, readings);
  const asked = readings.map(({ message, incoming }) => ({
    message,
    own: strangers.has(incoming) ? [] : reportsOf(message, aliases, presenceSource(incoming)),
  }));
  const reports = asked.flatMap(({ own }) => own);
  const all = reports.length > 0 ? await record(tx, reports, now) : [];
  let next = 0;
  return asked.map(({ message, own }) => {
    const recorded = all.slice(next, (next += own.length));
    return {
      recorded,
      reports: own,
      receipts: receiptsOf(message, own, recorded, aliases),
      unknownChildren: unknownChildren(message, aliases),
    };
  });
}

/**
 * Retained presence of devices that no credential lets in any more: the broker keeps it after they were cut off, and it
 * says still that they are online.
 */
async function presentWithoutCredential(tx: Tx, readings: readonly Message[]): Promise<Set<Message['incoming']>> {
  const kept = readings.filter(({ incoming, message }) => incoming.retain === true && message.type === 'presence');
  const reach = await reachOf(
    tx,
    kept.map(({ message }) => ({ tenantId: message.tenant, deviceId: message.device })),
  );
  return new Set(
    kept.flatMap(({ message, incoming }) =>
      reach.get(deviceKey(message.tenant, message.device))?.node === message.device ? [] : [incoming],
    ),
  );
}

function notedOf(reading: Reading, answer: Answer | undefined): Noted {
  if ('refusal' in reading) return { recorded: 0, refusals: [reading.refusal.reason], receipts: [] };
  const refusals = (answer?.recorded ?? []).flatMap((one) => (one.outcome === 'refused' ? [one.reason] : []));
  return {
    recorded: (answer?.recorded.length ?? 0) - refusals.length,
    refusals: [...refusals, ...(answer?.unknownChildren ?? []).map(() => 'unknown_device')],
    receipts: answer?.receipts ?? [],
  };
}

/**
 * A refused report about a foreign or unknown device belongs to its sender; any other to the device
 * that it is about.
 */
function diagnosticsOf(
  reading: Reading,
  answer: Answer | undefined,
  keepers: ReadonlySet<string>,
  now: number,
): Diagnostic[] {
  const { incoming } = reading;
  if ('refusal' in reading) {
    const { about, reason, detail } = reading.refusal;
    if (!about) return [];
    const keeper =
      about.node === about.device || keepers.has(`${deviceKey(about.tenantId, about.device)}/${about.node}`)
        ? about.device
        : about.node;
    return [diagnosticOf(incoming, about.tenantId, keeper, reason, detail, now)];
  }
  const { tenant, node, device } = reading.message;
  const answers = answer ? paired(answer.reports, answer.recorded) : [];
  const entries = answers.flatMap(([{ deviceId }, one]): Diagnostic[] => {
    if (one.outcome !== 'refused')
      return one.contradiction === undefined
        ? []
        : [diagnosticOf(incoming, tenant, deviceId, 'type_contradicted', one.contradiction, now)];
    const isForeign = one.reason === 'forbidden' || one.reason === 'unknown_device';
    const detail = `${deviceId === device ? '' : `child ${deviceId}: `}${REFUSAL_SENTENCES[one.reason] ?? one.reason}`;
    return [diagnosticOf(incoming, tenant, isForeign ? node : deviceId, one.reason, detail, now)];
  });
  const unknown = (answer?.unknownChildren ?? []).map((name) =>
    diagnosticOf(
      incoming,
      tenant,
      node,
      'unknown_device',
      `no device has the id or alias "${name}" that this hello gives to a child`,
      now,
    ),
  );
  const ceilings = ceilingsIn(reading.message).map((sentence) =>
    diagnosticOf(incoming, tenant, device, 'revision_ceiling', sentence, now),
  );
  const damages = damagedIn(reading.message).map((sentence) =>
    diagnosticOf(incoming, tenant, device, 'damaged_file', sentence, now),
  );
  const lines = answer?.recorded[0]?.outcome === 'refused' ? undefined : linesOf(reading.message);
  return [
    ...entries,
    ...unknown,
    ...ceilings,
    ...damages,
    ...(lines === undefined ? [] : [diagnosticOf(incoming, tenant, device, 'log', lines, now)]),
  ];
}

/**
 * For refused messages about a child: `tenant/child/node` where the node stands in the child's chain. The broker cannot
 * know, and any device can write a topic.
 */
async function keepersOf(tx: Tx, readings: readonly Reading[]): Promise<Set<string>> {
  const about = readings.flatMap((reading) =>
    'refusal' in reading && reading.refusal.about && reading.refusal.about.node !== reading.refusal.about.device
      ? [reading.refusal.about]
      : [],
  );
  const ancestors = await ancestorsOf(
    tx,
    about.map(({ tenantId, device }) => ({ tenantId, deviceId: device })),
  );
  return new Set([...ancestors].flatMap(([key, nodes]) => nodes.map((node) => `${key}/${node}`)));
}
