import { paired } from '../../domain/pairs.js';
import type { Presence } from '../../domain/installation/presence.js';
import { wantsDocument } from '../../domain/installation/process-status.js';
import type { DeviceAggregate } from '../../domain/installation/device-aggregate.js';
import type { Ack, UpMessage } from '../../protocol/mqtt/payloads.js';
import type { Outcome, Reported } from '../../protocol/mqtt/receipts.js';
import { deviceKey } from '../db/keys.js';
import type { Tx } from '../db/pool.js';
import { resolveAliases } from '../fleet/aliases.js';
import { keepDiagnostics, type Diagnostic } from '../fleet/diagnostics.js';
import { ancestorsOf, reachOf } from '../fleet/gateways.js';
import { record, type Recorded, type Report } from '../record.js';
import { aliasesIn, ceilingsIn, childrenOf, damagedIn, linesOf, reportsOf, unknownChildren } from './device-reports.js';
import { REFUSAL_SENTENCES } from './refusal-sentences.js';

/** What a device sent, as it came; over HTTP the topic is the one that it would have had. */
export interface Said {
  readonly topic: string;
  readonly payload: Uint8Array;
  /** The broker had kept it: it may be old. Absent = no. */
  readonly retain?: boolean;
}

/** `about` is undefined where the topic names no device. */
export interface Refusal {
  readonly reason: string;
  readonly detail: string;
  readonly about: { readonly tenantId: string; readonly node: string; readonly device: string } | undefined;
}

/** A message as it was read: what it says, or why it is refused. `source`: whose word presence is. */
export type Reading<Incoming extends Said = Said> = { readonly incoming: Incoming } & (
  { readonly message: UpMessage; readonly source?: Presence['source'] } | { readonly refusal: Refusal }
);

/** What became of one message. */
export interface Taken {
  /** Reports that were taken. */
  readonly recorded: number;
  /** Reasons, one for each that was not. */
  readonly refusals: readonly string[];
  /** What its sender is to hear; undefined where the message could not be read. */
  readonly outcome: Outcome | undefined;
}

/**
 * What devices sent, whatever brought it: records what it reports, and keeps in last-diagnostics why the rest was
 * refused, in the caller's transaction. @returns what became of each, in their order.
 */
export async function takeMessages(tx: Tx, readings: readonly Reading[], now: number): Promise<Taken[]> {
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
  return readings.map((reading, index) => takenOf(reading, answers[index]));
}

interface Answer {
  /** Of its reports, in their order. */
  readonly recorded: readonly Recorded[];
  readonly reports: readonly Report[];
  readonly outcome: Outcome | undefined;
  /** Children that it names and that are unknown. */
  readonly unknownChildren: readonly string[];
}

type Message = Extract<Reading, { readonly message: UpMessage }>;

async function recordMessages(tx: Tx, readings: readonly Message[], now: number): Promise<Answer[]> {
  const aliases = await resolveAliases(tx, readings.map((one) => one.message).flatMap(aliasesIn));
  const strangers = await presentWithoutCredential(tx, readings);
  const asked = readings.map(({ message, incoming, source }) => ({
    message,
    own: strangers.has(incoming) ? [] : reportsOf(message, aliases, source),
  }));
  const reports = asked.flatMap(({ own }) => own);
  const all = reports.length > 0 ? await record(tx, reports, now) : [];
  let next = 0;
  return asked.map(({ message, own }) => {
    const recorded = all.slice(next, (next += own.length));
    return {
      recorded,
      reports: own,
      outcome: outcomeOf(message, own, recorded, aliases),
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

/** `recorded` are the answers to its reports, its own first. */
function outcomeOf(
  message: UpMessage,
  reports: readonly Report[],
  recorded: readonly Recorded[],
  aliases: ReadonlyMap<string, string>,
): Outcome | undefined {
  const [own, ...children] = paired(reports, recorded).map(([{ deviceId }, one]) => reportedOf(deviceId, one));
  return own && { own, children, names: namesOf(message, reports, recorded, aliases) };
}

function reportedOf(deviceId: string, recorded: Recorded): Reported {
  return {
    deviceId,
    result: resultOf(recorded),
    ...(recorded.outcome === 'refused' ? {} : { open: openOf(recorded.aggregate) }),
  };
}

function namesOf(
  message: UpMessage,
  reports: readonly Report[],
  recorded: readonly Recorded[],
  aliases: ReadonlyMap<string, string>,
): Record<string, string> {
  if (message.type !== 'hello') return {};
  const own = new Set(
    reports.flatMap(({ deviceId }, index) => (recorded[index]?.outcome === 'refused' ? [] : [deviceId])),
  );
  return Object.fromEntries(
    childrenOf(message, aliases)
      .filter((child) => own.has(child.id))
      .flatMap((child) => child.names.map((name) => [name, child.id])),
  );
}

function openOf(aggregate: DeviceAggregate): NonNullable<Ack['open']> {
  return Object.fromEntries(
    Object.values(aggregate.installations)
      .filter(wantsDocument)
      .map((one) => [one.slot, { installationId: one.id, revision: one.revision }]),
  );
}

function resultOf(recorded: Recorded): Ack['result'] {
  if (recorded.outcome !== 'refused') return 'ok';
  switch (recorded.reason) {
    case 'forbidden':
      return 'forbidden';
    case 'unknown_device':
    case 'unknown_installation':
    case 'unknown_attempt':
      return 'unknown';
    case 'stale_attempt':
    case 'ended':
    case 'wrong_slot':
    case 'too_late':
      return 'stale';
  }
}

function takenOf(reading: Reading, answer: Answer | undefined): Taken {
  if ('refusal' in reading) return { recorded: 0, refusals: [reading.refusal.reason], outcome: undefined };
  const refusals = (answer?.recorded ?? []).flatMap((one) => (one.outcome === 'refused' ? [one.reason] : []));
  return {
    recorded: (answer?.recorded.length ?? 0) - refusals.length,
    refusals: [...refusals, ...(answer?.unknownChildren ?? []).map(() => 'unknown_device')],
    outcome: answer?.outcome,
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

/** A payload is cut again where it is stored. */
function diagnosticOf(
  { topic, payload }: Said,
  tenantId: string,
  deviceId: string,
  reason: string,
  detail: string,
  at: number,
): Diagnostic {
  return {
    tenantId,
    deviceId,
    at,
    reason,
    detail,
    topic,
    payload: Buffer.from(payload).toString('utf8', 0, 2_048),
  };
}
