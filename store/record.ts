import type { Advanced, InstallationEvent, Refusal } from '../domain/installation/events.js';
import { entriesOf, silenceOf, type Cause } from '../domain/installation/history.js';
import { applyHello, type Hello } from '../domain/installation/hello.js';
import {
  applyPresence,
  applySilence,
  askReturned,
  goOffline,
  touchLastSeen,
  type Presence,
} from '../domain/installation/presence.js';
import type { Installation, Slot } from '../domain/installation/installation.js';
import {
  documentKey,
  signalKey,
  sentenceKey,
  SHOWN_AFTER_MS,
  stageOf,
  waitsForDevice,
} from '../domain/installation/process-status.js';
import { contradictionOf, type TypeNames } from '../domain/installation/unfit.js';
import { raiseRevision } from '../domain/installation/raise-revision.js';
import { apply, type DeviceAggregate } from '../domain/installation/device-aggregate.js';
import { ancestorsOf, servedBy } from './fleet/gateways.js';
import { writeHistory, type HistoryEntry } from './history/history.js';
import { mark, type Mark } from './outbox/outbox.js';
import type { Tx } from './db/pool.js';
import { moveRollbackTargets } from './rollouts/rollback-moves.js';
import { moveTargets, refreshAdmissible, type InstallationChange } from './rollouts/moves.js';
import { awaitingTurn, readTurnFacts, unfitOn, type TurnFacts } from './installations/at-turn.js';
import {
  loadAggregates,
  saveAggregates,
  type AggregateKey,
  type LoadedAggregate,
} from './installations/device-aggregate.js';
import { deviceKey } from './db/keys.js';

/**
 * Who says it. A device is the node whose connection it came over; the process is the installation's own workflow; the
 * service, anything else here.
 */
export type Reporter =
  { kind: 'device'; node: string } | { kind: 'operator'; id: string } | { kind: 'process' } | { kind: 'service' };

/** A report about a device: by MQTT, REST, DDI, a gateway for its child, or the workflow's own timer. */
export type Report = { tenantId: string; deviceId: string; from: Reporter } & (
  | { kind: 'event'; installationId: string; event: InstallationEvent }
  | { kind: 'hello'; hello: Hello }
  | ({ kind: 'presence' } & Presence)
  /** From the service: nothing was heard since `heardAt` (store/commands/silence.ts). */
  | { kind: 'silence'; then: 'ask' | 'offline'; heardAt: number | null }
  /** Whatever the device sent that says nothing else. */
  | { kind: 'sign_of_life' }
  /**
   * From the service: a document of this slot with this revision stands elsewhere, so that the present one must be
   * above it.
   */
  | { kind: 'revision_conflict'; slot: string; revision: number }
);

/** Why a report changed nothing. */
export type RecordRefusal = Refusal | 'unknown_installation' | 'unknown_device' | 'forbidden';

/**
 * What happened: `applied`, `unchanged` (a repetition, or late), or refused with the reason. `work` is the device after
 * the whole batch.
 */
export type Recorded =
  | {
      outcome: 'applied' | 'unchanged';
      installation?: Installation;
      aggregate: DeviceAggregate;
      /** A hello that says another type than is stored of its device: the sentence. */
      contradiction?: string;
    }
  | { outcome: 'refused'; reason: RecordRefusal };

/**
 * The single write path (docs/architecture.md §2). In the caller's transaction: locks the devices, then what is open on
 * them; asks the domain for what follows; writes rows, history and marks in the outbox. Reports of one device are taken
 * in the order of the batch.
 *
 * The answers stand in the order of the reports. Nothing is sent from here: receivers are brought up to date by
 * the outbox.
 */
export async function record(tx: Tx, reports: readonly Report[], now: number): Promise<Recorded[]> {
  const behind = await servedBy(tx, reports.filter(mayEndPresence));
  const [loaded, ancestors] = [
    await loadAggregates(tx, keysOf(reports, [...behind.values()].flat())),
    await ancestorsOf(tx, reports.flatMap(foreignNode)),
  ];
  const aggregates = new Map(
    [...loaded].map(([key, { aggregate, ...ofType }]) => [key, { before: aggregate, after: aggregate, ...ofType }]),
  );
  const returning = await servedBy(
    tx,
    reports.filter((one) => mayReturn(one, loaded)),
  );
  const gateways = new Set([...behind.keys(), ...returning.keys()]);
  const history: HistoryEntry[] = [];
  // installations whose process did the change itself: it needs no signal about it
  const selfReported = new Set<string>();
  const turn = await readTurnFacts(tx, judgedAtTurn(reports, loaded));
  const answers = reports.map((report): Recorded => {
    const key = deviceKey(report.tenantId, report.deviceId);
    const held = aggregates.get(key);
    if (!held) return { outcome: 'refused', reason: 'unknown_device' };
    if (!mayReport(report, ancestors)) return { outcome: 'refused', reason: 'forbidden' };
    const asked = atTurn(report, held.after, held.type, turn);
    const { aggregate: applied, result } = applyReport(held.after, asked, held.slotsOfType, now);
    const told = attributed(held.after, applied, report, now);
    const aggregate = report.kind !== 'hello' && gateways.has(key) ? askReturned(held.after, told, now) : told;
    history.push(...differences(held.after, aggregate, causeOf(report), now));
    if (report.from.kind === 'process' && report.kind === 'event') selfReported.add(report.installationId);
    aggregates.set(key, { ...held, after: aggregate });
    if (held.after.device.online && !aggregate.device.online)
      for (const child of (behind.get(key) ?? []).map((one) => deviceKey(one.tenantId, one.deviceId))) {
        const one = aggregates.get(child);
        if (one) aggregates.set(child, { ...one, after: goOffline(one.after) });
      }
    if (result.outcome === 'refused') return result;
    return 'next' in result
      ? { outcome: result.outcome, installation: result.next, aggregate }
      : { outcome: result.outcome, aggregate, ...contradictionIn(report, held.type) };
  });
  const changes = [...aggregates.values()].filter(({ before, after }) => before !== after);
  await saveAggregates(tx, changes);
  await writeHistory(tx, history);
  // Targets before the counters of their groups, in every transaction: so both of these lock in that order.
  const pokes = [
    ...(await refreshAdmissible(
      tx,
      changes
        .filter(({ before, after }) => reachChanged(before, after))
        .map(({ after: { device } }) => ({ tenantId: device.tenantId, deviceId: device.id })),
      now,
    )),
    ...(await moveTargets(tx, changes.flatMap(installationsChanged), now)),
    ...(await moveRollbackTargets(tx, changes.flatMap(installationsChanged), now)),
  ];
  await mark(tx, [
    ...changes.flatMap(({ before, after }) => marksOf(before, after, selfReported, now)),
    ...changes.flatMap((change) => helloAsked(change, now)),
    ...pokes,
  ]);
  return answers;
}

type AppliedReport = {
  aggregate: DeviceAggregate;
  result: Advanced | { outcome: 'refused'; reason: 'unknown_installation' } | { outcome: 'applied' };
};

function applyReport(
  aggregate: DeviceAggregate,
  report: Report,
  slotsOfType: readonly string[],
  now: number,
): AppliedReport {
  switch (report.kind) {
    case 'event': {
      const done = apply(aggregate, report.installationId, report.event, now);
      const present = isItself(report) && done.result.outcome !== 'refused';
      return { aggregate: present ? touchLastSeen(done.aggregate, now) : done.aggregate, result: done.result };
    }
    case 'hello': {
      const slots = Object.fromEntries(
        Object.entries(report.hello.slots).filter(([slot]) => slotsOfType.includes(slot)),
      );
      return { aggregate: applyHello(aggregate, { ...report.hello, slots }, now), result: { outcome: 'applied' } };
    }
    case 'presence':
      return { aggregate: applyPresence(aggregate, report, now), result: { outcome: 'applied' } };
    case 'silence':
      return { aggregate: applySilence(aggregate, report, now), result: { outcome: 'applied' } };
    case 'sign_of_life':
      return {
        aggregate: isItself(report) ? touchLastSeen(aggregate, now) : aggregate,
        result: { outcome: 'applied' },
      };
    case 'revision_conflict':
      return { aggregate: raiseRevision(aggregate, report.slot, report.revision), result: { outcome: 'applied' } };
  }
}

function contradictionIn(report: Report, type: TypeNames): { contradiction?: string } {
  if (report.kind !== 'hello') return {};
  const contradiction = contradictionOf(report.hello.deviceType ?? null, type);
  return contradiction === undefined ? {} : { contradiction };
}

/** Only the device itself shows that it is there: a gateway speaks for a child that may be away. */
function isItself(report: Report): boolean {
  return report.from.kind === 'device' && report.from.node === report.deviceId;
}

/** A turn that is asked for knows which installations its rules refuse. */
function atTurn(report: Report, aggregate: DeviceAggregate, type: TypeNames, turn: TurnFacts): Report {
  if (report.kind !== 'event' || report.event.type !== 'begin') return report;
  const { unassociated } = turn;
  return { ...report, event: { ...report.event, unassociated, unfit: unfitOn(aggregate, type, turn) } };
}

/** Installations that may get their turn by one of these reports: what they need is looked up again. */
function judgedAtTurn(reports: readonly Report[], loaded: ReadonlyMap<string, LoadedAggregate>): Installation[] {
  const devices = new Set(
    reports
      .filter((report) => report.kind === 'event' && report.event.type === 'begin')
      .map((report) => deviceKey(report.tenantId, report.deviceId)),
  );
  return [...devices].flatMap((key) => {
    const found = loaded.get(key);
    return found ? awaitingTurn(found.aggregate) : [];
  });
}

/** What may put a device offline, and with it those that are reached through it. */
function mayEndPresence(report: Report): boolean {
  return (report.kind === 'presence' && !report.online) || (report.kind === 'silence' && report.then === 'offline');
}

/** What may bring a device back, and not those that are reached through it: only its hello says which they are. */
function mayReturn(report: Report, loaded: ReadonlyMap<string, LoadedAggregate>): boolean {
  const device = loaded.get(deviceKey(report.tenantId, report.deviceId))?.aggregate.device;
  return device?.online === false && (report.kind === 'presence' ? report.online : isItself(report));
}

function keysOf(reports: readonly Report[], others: readonly { tenantId: string; deviceId: string }[]): AggregateKey[] {
  const keys = new Map<string, { tenantId: string; deviceId: string; installationIds: string[] }>();
  for (const one of others) keys.set(deviceKey(one.tenantId, one.deviceId), { ...one, installationIds: [] });
  for (const report of reports) {
    const key = deviceKey(report.tenantId, report.deviceId);
    const one = keys.get(key) ?? { tenantId: report.tenantId, deviceId: report.deviceId, installationIds: [] };
    if (report.kind === 'event') one.installationIds.push(report.installationId);
    keys.set(key, one);
  }
  return [...keys.values()];
}

function foreignNode(report: Report): { tenantId: string; deviceId: string }[] {
  return report.from.kind === 'device' && report.from.node !== report.deviceId
    ? [{ tenantId: report.tenantId, deviceId: report.deviceId }]
    : [];
}

/** A device reports for itself, or for one behind it; the broker cannot know who is connected by whom. */
function mayReport(report: Report, ancestors: Map<string, readonly string[]>): boolean {
  if (report.from.kind !== 'device' || report.from.node === report.deviceId) return true;
  return (ancestors.get(deviceKey(report.tenantId, report.deviceId)) ?? []).includes(report.from.node);
}

function causeOf(report: Report): Cause {
  const { from } = report;
  const by =
    from.kind === 'device' ? `device:${from.node}` : from.kind === 'operator' ? `operator:${from.id}` : from.kind;
  const seq = report.kind === 'event' && 'seq' in report.event ? report.event.seq : undefined;
  return seq === undefined ? { by } : { by, seq };
}

/** Remembers who said what the slots hold: each that a hello tells of, and each whose content is another now. */
function attributed(was: DeviceAggregate, aggregate: DeviceAggregate, report: Report, now: number): DeviceAggregate {
  if (was.slots === aggregate.slots) return aggregate;
  const told = { by: causeOf(report).by, at: now };
  const slots = Object.entries(aggregate.slots).map(([name, slot]): [string, Slot] => {
    const before = was.slots[name];
    const same =
      slot.sha256 === (before?.sha256 ?? null) &&
      slot.version === (before?.version ?? null) &&
      slot.confirmed === (before?.confirmed ?? false);
    const said = report.kind === 'hello' && name in report.hello.slots;
    return [name, slot !== before && (said || !same) ? { ...slot, told } : slot];
  });
  return { ...aggregate, slots: Object.fromEntries(slots) };
}

function differences(before: DeviceAggregate, after: DeviceAggregate, cause: Cause, now: number): HistoryEntry[] {
  if (before === after) return [];
  const { tenantId, id: deviceId } = after.device;
  const entries: HistoryEntry[] = silenceOf(before.device, after.device).map((entry) => ({
    tenantId,
    deviceId,
    at: now,
    event: entry.event,
    data: { by: cause.by, ...entry.data },
  }));
  for (const [id, next] of Object.entries(after.installations)) {
    const was = before.installations[id];
    if (!was || was === next) continue;
    for (const entry of entriesOf(was, next, cause))
      entries.push({ tenantId, deviceId, installationId: id, at: now, ...entry });
  }
  for (const [name, slot] of Object.entries(after.slots)) {
    const was = before.slots[name];
    if (was?.sha256 === slot.sha256 && was?.confirmed === slot.confirmed) continue;
    if (slot.sha256 === null && was === undefined) continue; // only a revision was taken
    entries.push({
      tenantId,
      deviceId,
      at: now,
      event: 'slot',
      data: { by: cause.by, slot: name, sha256: slot.sha256, version: slot.version, confirmed: slot.confirmed },
    });
  }
  return entries;
}

/** A device says hello at once after it has connected; a slow one needs seconds for it, and a second one is no harm. */
const HELLO_BY_ITSELF_MS = 5_000;

/**
 * A device that is asked for a hello by itself, not about an installation: the command goes out with any slot, and with
 * none ('') where its type has none. One that came back says it by itself in most cases: it is given the time.
 */
function helloAsked(
  {
    before: { device: was },
    after: { device },
    slotsOfType: [slot = ''],
  }: {
    before: DeviceAggregate;
    after: DeviceAggregate;
    slotsOfType: readonly string[];
  },
  now: number,
): Mark[] {
  if (device.helloWantedAt === was.helloWantedAt || device.helloWantedAt === null) return [];
  const later = !was.online && device.online ? { dueAt: now + HELLO_BY_ITSELF_MS } : {};
  return [{ receiver: 'document', tenantId: device.tenantId, subject: device.id, detail: slot, ...later }];
}

function installationsChanged({
  before,
  after,
}: {
  before: DeviceAggregate;
  after: DeviceAggregate;
}): InstallationChange[] {
  return Object.values(after.installations).flatMap((next) => {
    const was = before.installations[next.id];
    return was === undefined || was === next ? [] : [{ before: was, after: next, heardAt: after.device.lastSeenAt }];
  });
}

function reachChanged({ device: was }: DeviceAggregate, { device }: DeviceAggregate): boolean {
  return was.online !== device.online || was.reachable !== device.reachable;
}

/** Whom to tell: wherever what a receiver should know differs before and after. */
function marksOf(
  before: DeviceAggregate,
  after: DeviceAggregate,
  selfReported: ReadonlySet<string>,
  now: number,
): Mark[] {
  const { tenantId, id: deviceId } = after.device;
  const reach = reachChanged(before, after);
  const marks: Mark[] = [];
  for (const [id, next] of Object.entries(after.installations)) {
    const was = before.installations[id];
    if (!was || (was === next && !reach)) continue;
    const due = selfReported.has(id) ? undefined : signalDueAt(was, next, reach, now);
    if (due !== undefined)
      marks.push({ receiver: 'workflow', tenantId, subject: id, ...(due === 'now' ? {} : { dueAt: due }) });
    const ask = next.helloAskedAt !== null && was.helloAskedAt === null;
    if (documentKey(was) !== documentKey(next) || ask)
      marks.push({ receiver: 'document', tenantId, subject: deviceId, detail: next.slot });
  }
  return marks;
}

/**
 * When its process is to hear of it: what it waits for, now. A deadline that moved forward (its timer is later), when
 * it has passed; what people read there, when it has stood a while: each signal costs the process a task.
 */
function signalDueAt(was: Installation, next: Installation, reach: boolean, now: number): number | 'now' | undefined {
  if (signalKey(was) !== signalKey(next)) return 'now';
  const earlier = next.dueAt !== null && (was.dueAt === null || next.dueAt < was.dueAt);
  const times = [
    ...(earlier && stageOf(next) !== 'begin' ? [next.dueAt] : []),
    ...(waitsForDevice(next) && (reach || sentenceKey(was) !== sentenceKey(next)) ? [now + SHOWN_AFTER_MS] : []),
  ];
  return times.length === 0 ? undefined : Math.min(...times);
}
