/**
 * What an operator asks for (docs/contracts/rollouts.md, "The plan"), with every default filled in: plain, readonly,
 * JSON-safe. Durations are milliseconds, times epoch milliseconds, shares 0..1.
 */
export interface Plan {
  readonly name: string;
  readonly description: string | null;
  /** In order, per device. One for now: "Chains" come later. */
  readonly steps: readonly PlanStep[];
  readonly targets: Targets;
  readonly groups: readonly GroupPlan[];
  readonly pace: Pace;
  readonly stopIf: readonly StopRule[];
  readonly schedule: Schedule;
  readonly retry: RetryPlan;
  readonly timeouts: {
    readonly offer: number;
    readonly download: number;
    readonly install: number;
    readonly confirm: number;
    readonly target: number;
  };
  /** How long the new content must run without a regression on each device. */
  readonly confirm: { readonly soak: number };
  /** With what is open on the same slot of a device: end that target as rejected, wait behind it, or cancel it. */
  readonly onConflict: 'reject' | 'queue' | 'supersede';
  readonly priority: number;
  readonly approval: { readonly required: number; readonly fourEyes: boolean };
  readonly allowDowngrade: boolean;
}

/** What goes into which slot of each target; the firmware must be ready and fit the slot. */
export interface PlanStep {
  readonly slot: string;
  readonly firmwareId: string;
}

/**
 * The step of a plan, which has one until there are chains: protocol/http refuses a longer plan.
 *
 * @throws Error where the plan has none, or several: a fault of the program.
 */
export function onlyStep(plan: Pick<Plan, 'steps'>): PlanStep {
  const [step, ...more] = plan.steps;
  if (step === undefined || more.length > 0)
    throw new Error(`a plan has one step, and this one has ${plan.steps.length}`);
  return step;
}

/**
 * What stands at the position of a group, 0 first: of a plan, of its facts, or of sizes, which all have the same groups
 * in the same order.
 *
 * @throws Error where there is none: a fault of the program.
 */
export function groupAt<G>(groups: readonly G[], position: number): G {
  const group = groups[position];
  // The planner asks some hundred thousand times in a simulation: the sentence is made only where it is thrown.
  if (group === undefined) throw new Error(`there is no group ${position} among ${groups.length}`);
  return group;
}

/** The devices that match the filter, and those that are named. */
export interface Targets {
  readonly filter: string | null;
  readonly deviceIds: readonly string[];
  readonly dynamic: boolean;
}

/** Of `percent` (of all targets), `count` and `filter` at most one is set; a last group with none takes the rest. */
export interface GroupPlan {
  readonly name: string;
  readonly percent: number | null;
  readonly count: number | null;
  readonly filter: string | null;
  readonly soak: number;
  readonly gate: Gate;
  /** null = no approval. */
  readonly approval: GroupApproval | null;
}

/**
 * When a group may pass (docs/contracts/rollouts.md, "Gates"). `minSuccess`, `maxFailureRate` and `confidence` are
 * shares, 0..1.
 */
export interface Gate {
  readonly minSuccess: number;
  /**
   * Targets that must have ended. `all`: every one that is not away, and at least `LEAST_SAMPLE` (or the whole of a
   * smaller group).
   */
  readonly minSample: number | 'all';
  /** Both or neither: with them a sequential test decides (domain/statistics). */
  readonly maxFailureRate: number | null;
  readonly confidence: number | null;
}

/** What follows where an approval is not given in time: `hold` pauses the rollout, `abort` ends it. */
export const ON_EXPIRY = ['hold', 'abort'] as const;

/**
 * `required`: votes of so many persons. `expiresAfter`: milliseconds from the question on; null = it waits for ever.
 */
export interface GroupApproval {
  readonly required: number;
  readonly expiresAfter: number | null;
  readonly onExpiry: (typeof ON_EXPIRY)[number];
}

/** How fast targets are admitted (docs/contracts/rollouts.md, "Admission"). `awayAfter`: milliseconds. */
export interface Pace {
  /** At no moment more installations of the rollout are open. */
  readonly maxInFlight: number;
  /** In no 60 seconds more are started. */
  readonly startsPerMinute: number;
  readonly ramp: Ramp | null;
  /** `wait`: only devices that are there are admitted. `offer`: all, for fleets that never say that they are there. */
  readonly offline: 'wait' | 'offer';
  /** A pending target that was not seen for so long since its group opened is away, and holds no gate. */
  readonly awayAfter: number;
}

/**
 * The rate begins at `from` a minute and is multiplied by `factor` for every `every.succeeded` devices that have the
 * content.
 */
export interface Ramp {
  readonly from: number;
  readonly factor: number;
  readonly every: { readonly succeeded: number };
}

/** What a stop rule counts; `any` is the sum of the others (docs/contracts/rollouts.md, "Stop rules"). */
export const STOP_OUTCOMES = ['failed', 'rejected', 'timedOut', 'any'] as const;
/** The outcome that one stop rule counts. */
export type StopOutcome = (typeof STOP_OUTCOMES)[number];

/** Of the installations that ended, judged from `after` on. It acts once. */
export interface StopRule {
  readonly outcome: StopOutcome;
  readonly share: number;
  readonly after: number;
  readonly then: 'pause' | 'abort' | 'rollBack';
}

/**
 * Epoch milliseconds; null = start by command, and no end. `atEnd` says whether open installations are canceled too.
 */
export interface Schedule {
  readonly startAt: number | null;
  readonly endAt: number | null;
  readonly atEnd: 'stopAdmitting' | 'cancelOpen';
}

/** Kinds of failure that a plan may try again. Others end the target at once. */
export const RETRY_CLASSES = ['download', 'install', 'timeout'] as const;
/** Which phase of an attempt failed. */
export type RetryClass = (typeof RETRY_CLASSES)[number];

/**
 * `maxAttempts` counts the first one too. `first` and `max` of the back-off are milliseconds; each wait is `factor`
 * times the one before.
 */
export interface RetryPlan {
  readonly maxAttempts: number;
  readonly backoff: { readonly first: number; readonly factor: number; readonly max: number };
  readonly on: readonly RetryClass[];
}

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** What a gate that asks for all targets needs at least: fewer say too little to go on without a person. */
export const LEAST_SAMPLE = 10;

/** Of a gate with a sequential test, which works out by itself how many it needs. */
export const SEQUENTIAL_MIN_SAMPLE = 1;

/** docs/contracts/rollouts.md, "Defaults". */
export const DEFAULTS = {
  groups: [{ name: 'canary', percent: 1 }, { name: 'early', percent: 10 }, { name: 'rest' }],
  group: { soak: 0, gate: { minSuccess: 0.95, minSample: 'all' } },
  pace: { maxInFlight: 100, startsPerMinute: 1_000, offline: 'wait', awayAfter: DAY },
  stopIf: [{ outcome: 'any', share: 0.1, after: 10, then: 'pause' }],
  retry: { maxAttempts: 3, backoff: { first: 5 * MINUTE, factor: 2, max: 6 * HOUR }, on: RETRY_CLASSES },
  timeouts: { offer: HOUR, download: HOUR, install: 30 * MINUTE, confirm: 15 * MINUTE, target: 30 * DAY },
  onConflict: 'queue',
} as const;
