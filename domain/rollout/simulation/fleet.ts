import { defined } from '../../defined.js';
import { stopScope } from '../deadlines.js';
import {
  awayOfGate,
  endedOf,
  NO_COUNTERS,
  TARGET_STATES,
  type GroupFacts,
  type RolloutFacts,
  type TargetState,
} from '../facts.js';
import { groupAt, type Plan } from '../plan.js';
import { backoffBefore } from '../target.js';
import { drawAttempt, ENDINGS, MEANING } from './attempt.js';
import { Egress } from './egress.js';
import { at, type FleetModel, type KindModel } from './model.js';
import { EventQueue } from './queue.js';
import type { Random } from './random.js';
import { Starts } from './starts.js';

/** What a simulated device does; those that have ended stand from `ENDED` on, by how. */
const AWAY = 0;
const READY = 1;
const OPEN = 2;
const BACKING_OFF = 3;
const ENDED = 4;

const DEVICES = 'the flat arrays have every device of the fleet';

/** Facts of which a simulation writes the members that are observed. */
export type Observed = Omit<RolloutFacts, 'groups' | 'starts' | 'toStop' | 'progressedAt'> & {
  groups: readonly (Omit<GroupFacts, 'ready' | 'fresh' | 'away' | 'awayAt'> & {
    ready: number;
    fresh: number;
    away: number;
    awayAt: number | null;
  })[];
  starts: RolloutFacts['starts'];
  toStop: RolloutFacts['toStop'];
  progressedAt: number | null;
};

interface Group {
  /** Its gate rests on the prefix. */
  readonly isSequential: boolean;
  readonly first: number;
  readonly size: number;
  /** Kept as targets move, never counted over the group. */
  readonly counters: Record<TargetState, number>;
  /** Whose turn it may be: those that never were, and behind them those that come back. */
  readonly fresh: number[];
  readonly again: number[];
  freshTaken: number;
  againTaken: number;
  /** In the order of their first admission. */
  readonly admitted: number[];
  readonly prefix: { ended: number; failed: number; to: number };
  /** Devices that are not there yet, whether they will come or not. */
  away: number;
  /** Devices that were given up before any attempt. */
  readonly unattempted: { rejected: number; timedOut: number };
}

/**
 * A fleet of numbers: each device is some bytes in flat arrays, and knows beforehand how its attempt will end. What it
 * does to the facts of its rollout is what the store does (store/commands/admit.ts, store/rollouts/moves.ts,
 * store/commands/stop-open.ts), and nothing is counted twice.
 */
export class SimulatedFleet {
  readonly egress = new Egress();
  peakInFlight = 0;
  /** When each device that succeeded did so, in order. */
  readonly installedAt: number[] = [];
  private readonly groups: Group[];
  private readonly events = new EventQueue();
  private readonly starts = new Starts();
  private readonly doing: Uint8Array;
  private readonly attempts: Uint8Array;
  /** 1 once it was admitted: an offer that was withdrawn is no attempt. */
  private readonly tried: Uint8Array;
  private readonly ending: Uint8Array;
  private readonly kind: Uint16Array;
  private readonly groupOf: Uint8Array;
  private readonly arrives: Float64Array;
  /** Those that are open and were not there when they got their offer. */
  private readonly offered = new Set<number>();
  private open = 0;
  /** When a target moved last. */
  private movedAt: number | null = null;
  private now: number;

  constructor(
    private readonly plan: Plan,
    private readonly model: FleetModel,
    private readonly random: Random,
    private readonly start: number,
  ) {
    this.now = start;
    const size = model.groups.reduce((sum, one) => sum + one, 0);
    [this.doing, this.attempts, this.tried, this.ending, this.groupOf] = [
      new Uint8Array(size),
      new Uint8Array(size),
      new Uint8Array(size),
      new Uint8Array(size),
      new Uint8Array(size),
    ];
    [this.kind, this.arrives] = [new Uint16Array(size), new Float64Array(size)];
    let first = 0;
    this.groups = model.groups.map((count, index) => {
      const { gate } = groupAt(plan.groups, index);
      const group: Group = {
        isSequential: gate.confidence !== null,
        first,
        size: count,
        counters: { ...NO_COUNTERS, pending: count },
        fresh: [],
        again: [],
        freshTaken: 0,
        againTaken: 0,
        admitted: [],
        prefix: { ended: 0, failed: 0, to: 0 },
        away: 0,
        unattempted: { rejected: 0, timedOut: 0 },
      };
      first += count;
      return group;
    });
    for (const [index, group] of this.groups.entries())
      for (let device = group.first; device < group.first + group.size; device += 1) this.place(device, index);
  }

  get size(): number {
    return this.doing.length;
  }

  /** Which facts the planner starts from. They share the counters with this fleet, and so they are always true. */
  groupFacts(index: number): Pick<GroupFacts, 'size' | 'counters' | 'prefix' | 'unattempted'> {
    const { size, counters, prefix, unattempted } = groupAt(this.groups, index);
    return { size, counters, prefix, unattempted };
  }

  get nextAt(): number {
    return this.events.nextAt;
  }

  /**
   * Writes into facts that are the simulation's own what the planner sees beside the counters, as
   * store/commands/observe.ts tells it; but a back-off ends by an event, and needs no time here.
   */
  observe(facts: Observed, now: number): void {
    this.now = now;
    for (const [index, group] of this.groups.entries()) {
      const one = groupAt(facts.groups, index);
      if (one.openedAt === null) continue;
      if (group.isSequential && one.passedAt === null) this.advancePrefix(group);
      one.fresh = group.fresh.length - group.freshTaken;
      one.ready = one.fresh + group.again.length - group.againTaken;
      const away = this.awayOf(group, one, now);
      [one.away, one.awayAt] = [awayOfGate({ ...one, counters: group.counters }, away.count), away.at];
    }
    facts.starts = this.starts.at(now);
    facts.progressedAt = this.movedAt;
    facts.toStop = this.toStop(facts);
  }

  admit(index: number, count: number): void {
    const group = groupAt(this.groups, index);
    for (let left = count; left > 0; left -= 1) {
      const device =
        group.freshTaken < group.fresh.length ? group.fresh[group.freshTaken++] : group.again[group.againTaken++];
      this.begin(defined(device, 'the planner admits no more devices than are ready'), group);
    }
    this.starts.add(this.now, count);
    this.peakInFlight = Math.max(this.peakInFlight, this.open);
  }

  /** What waits comes to its end. @param names of these groups; null = of all */
  endPending(as: TargetState, names: readonly string[] | null): void {
    for (const group of this.named(names)) {
      for (let device = group.first; device < group.first + group.size; device += 1)
        if (byteOf(this.doing, device) < ENDED && this.doing[device] !== OPEN) {
          if (as === 'timedOut' && this.attempts[device] === 0) group.unattempted.timedOut += 1;
          this.end(device, 'pending', as);
        }
      [group.freshTaken, group.againTaken] = [group.fresh.length, group.again.length];
    }
  }

  /**
   * What is open and has been begun: `all`; an offer that was not accepted: both. It stops at once, which forecasts
   * name as an assumption.
   */
  stopOpen(only: 'notBegun' | 'all', as: TargetState, names: readonly string[] | null): void {
    for (const { first, size, unattempted } of this.named(names))
      for (let device = first; device < first + size; device += 1) {
        if (this.doing[device] !== OPEN) continue;
        const begun = this.hasBegun(device);
        if (begun && only !== 'all') continue;
        if (as === 'timedOut' && !begun && byteOf(this.attempts, device) <= 1) unattempted.timedOut += 1;
        this.end(device, 'inFlight', as);
      }
  }

  private named(names: readonly string[] | null): readonly Group[] {
    return this.groups.filter((_, index) => names === null || names.includes(groupAt(this.plan.groups, index).name));
  }

  /**
   * The next thing that happens. @returns whether the planner is told within a second (`news`), looks at that moment
   * (`due`), or need not look.
   */
  step(): 'news' | 'due' | 'nothing' {
    this.now = this.events.nextAt;
    const device = this.events.pop();
    const group = this.groupWith(device);
    switch (this.doing[device]) {
      case AWAY:
        group.away -= 1;
        this.becomesReady(device, group.fresh);
        return 'news';
      case BACKING_OFF:
        this.becomesReady(device, group.again);
        return 'due';
      case OPEN:
        this.afterAttempt(device, group);
        return 'news';
      default:
        return 'nothing';
    }
  }

  neverAdmitted(): number {
    let count = 0;
    for (let device = 0; device < this.size; device += 1)
      if (this.tried[device] === 0 && this.doing[device] !== ENDED + TARGET_STATES.indexOf('alreadyInstalled'))
        count += 1;
    return count;
  }

  private place(device: number, group: number): void {
    this.groupOf[device] = group;
    this.kind[device] = this.drawKind();
    const { held, skipped, refused } = this.model;
    const dice = this.random();
    if (dice < held) return this.end(device, 'pending', 'alreadyInstalled');
    if (dice < held + skipped) return this.end(device, 'pending', 'skipped');
    if (dice < held + skipped + refused) {
      groupAt(this.groups, group).unattempted.rejected += 1;
      return this.end(device, 'pending', 'rejected');
    }
    const away = this.drawAway();
    this.arrives[device] = this.start + away;
    if (away === 0 || this.plan.pace.offline === 'offer')
      return this.becomesReady(device, groupAt(this.groups, group).fresh);
    groupAt(this.groups, group).away += 1;
    if (away < Infinity) this.events.put(this.start + away, device);
  }

  private drawKind(): number {
    const { kinds } = this.model;
    let dice = this.random() * kinds.reduce((sum, one) => sum + one.weight, 0);
    const found = kinds.findIndex((one) => (dice -= one.weight) < 0);
    return found < 0 ? kinds.length - 1 : found;
  }

  /**
   * A device that has been away for an hour comes back within another one as likely as not, and one that has been away
   * for a month within another month: of how long something will go on, how long it has gone on is the best that is
   * known (Pareto, with the index 1).
   */
  private drawAway(): number {
    if (this.random() < this.model.online) return 0;
    if (this.random() < this.model.neverSeen) return Infinity;
    const dice = this.random();
    return Math.max(1, at(this.model.away, this.random()) * (dice / (1 - dice)));
  }

  private becomesReady(device: number, queue: number[]): void {
    this.doing[device] = READY;
    queue.push(device);
  }

  private begin(device: number, group: Group): void {
    const attempts = byteOf(this.attempts, device);
    if (this.tried[device] === 0) group.admitted.push(device);
    this.tried[device] = 1;
    this.movedAt = this.now;
    this.attempts[device] = attempts + 1;
    const away = Math.max(0, this.arrivalOf(device) - this.now);
    const attempt = drawAttempt(this.kindOf(device), this.plan, away, this.random);
    this.doing[device] = OPEN;
    if (!this.hasBegun(device)) this.offered.add(device);
    this.ending[device] = ENDINGS.indexOf(attempt.ending);
    group.counters.pending -= 1;
    group.counters.inFlight += 1;
    this.open += 1;
    this.events.put(this.now + attempt.ends, device);
    const from = this.now - this.start;
    if (attempt.fetched > attempt.begins)
      this.egress.add(from + attempt.begins, from + attempt.fetched, this.model.bytes);
  }

  /** The same as domain/rollout/target.ts does with what a real installation came to. */
  private afterAttempt(device: number, group: Group): void {
    const ending = this.endingOf(device);
    const { state, retry } = MEANING[ending];
    const attempt = byteOf(this.attempts, device);
    this.offered.delete(device);
    const left = attempt < this.plan.retry.maxAttempts;
    const isWithdrawn = ending === 'withdrawn';
    if (!isWithdrawn && (!left || retry === null || !this.plan.retry.on.includes(retry)))
      return this.end(device, 'inFlight', state);
    group.counters.inFlight -= 1;
    group.counters.pending += 1;
    this.open -= 1;
    this.movedAt = this.now;
    if (isWithdrawn) {
      // Nothing was heard of it: no attempt, and behind those that had no try.
      this.attempts[device] = attempt - 1;
      return this.becomesReady(device, group.again);
    }
    this.doing[device] = BACKING_OFF;
    this.events.put(this.now + backoffBefore(this.plan.retry, attempt + 1), device);
  }

  private end(device: number, from: TargetState, as: TargetState): void {
    const { counters } = this.groupWith(device);
    counters[from] -= 1;
    if (from === 'inFlight') this.open -= 1;
    counters[as] += 1;
    this.movedAt = this.now;
    this.offered.delete(device);
    this.doing[device] = ENDED + TARGET_STATES.indexOf(as);
    if (as === 'installed') this.installedAt.push(this.now);
  }

  private hasBegun(device: number): boolean {
    return this.arrivalOf(device) <= this.now;
  }

  private groupWith(device: number): Group {
    return groupAt(this.groups, byteOf(this.groupOf, device));
  }

  private kindOf(device: number): KindModel {
    return defined(this.model.kinds[defined(this.kind[device], DEVICES)], 'each device was drawn one of the kinds');
  }

  private endingOf(device: number): (typeof ENDINGS)[number] {
    return defined(ENDINGS[byteOf(this.ending, device)], 'each attempt was drawn one of the endings');
  }

  private arrivalOf(device: number): number {
    return defined(this.arrives[device], DEVICES);
  }

  /** As store/commands/observe.ts counts them: only while nothing of the group moves. Once there, a device stays. */
  private awayOf(
    { counters: c, away }: Group,
    { openedAt, passedAt, failedAt }: GroupFacts,
    now: number,
  ): { count: number; at: number | null } {
    const counts = openedAt !== null && passedAt === null && failedAt === null && c.pending > 0 && c.inFlight === 0;
    if (!counts) return { count: 0, at: null };
    const at = openedAt + this.plan.pace.awayAfter;
    return now < at ? { count: 0, at } : { count: Math.min(away, c.pending), at: null };
  }

  private toStop(facts: Observed): RolloutFacts['toStop'] {
    const scope = stopScope(facts, this.plan, this.now);
    if (scope !== 'all')
      return { begun: this.named(scope).reduce((sum, { counters: c }) => sum + c.inFlight, 0), notBegun: 0 };
    for (const device of this.offered) if (this.hasBegun(device)) this.offered.delete(device);
    return { begun: this.open - this.offered.size, notBegun: this.offered.size };
  }

  /** In the order of admission, as far as all have ended; see statistics/prefix.ts. */
  private advancePrefix({ admitted, prefix }: Group): void {
    const good = [ENDED + TARGET_STATES.indexOf('installed'), ENDED + TARGET_STATES.indexOf('alreadyInstalled')];
    for (; prefix.ended < admitted.length; prefix.ended += 1) {
      const device = defined(admitted[prefix.ended], 'the prefix ends with those that were admitted');
      const doing = byteOf(this.doing, device);
      if (doing < ENDED) return;
      if (!good.includes(doing)) prefix.failed += 1;
    }
  }

  /** What the gate of a group rests on now. */
  sampleOf(index: number): number {
    const { counters, prefix, isSequential } = groupAt(this.groups, index);
    return isSequential ? prefix.ended : endedOf(counters);
  }
}

/** Of an array with a byte for each device. */
function byteOf(bytes: Uint8Array, device: number): number {
  return defined(bytes[device], DEVICES);
}
