import {
  DEFAULTS,
  SEQUENTIAL_MIN_SAMPLE,
  type Gate,
  type GroupApproval,
  type GroupPlan,
  type Pace,
  type Plan,
  type RetryPlan,
  type Schedule,
  type StopRule,
} from '../../domain/rollout/plan.js';
import type { NewRollout } from './rollout-plan.js';

type Sent<K extends keyof NewRollout> = NonNullable<NewRollout[K]>;
type SentGroup = Sent<'groups'>[number];

/** What was left out: the pointer of each member that a default filled in, in the order of the plan. */
class Filled {
  readonly pointers: string[] = [];

  or<T>(pointer: string, sent: T | null | undefined, standard: T): T {
    if (sent !== undefined && sent !== null) return sent;
    this.pointers.push(pointer);
    return standard;
  }
}

/**
 * The plan with every default of docs/contracts/rollouts.md, and a pointer for each that was filled in. A list that was
 * left out is one default; of an object that was left out, each member is.
 */
export function toPlan(body: NewRollout): { plan: Plan; defaulted: string[] } {
  const filled = new Filled();
  const groups =
    body.groups ??
    filled.or(
      '/groups',
      undefined,
      DEFAULTS.groups.map((one) => ({ ...one })),
    );
  // the groups as a whole are the default: not each of their members, too
  const of = body.groups === undefined ? new Filled() : filled;
  const plan: Plan = {
    name: body.name,
    description: body.description ?? null,
    steps: body.steps.map(({ slot, firmwareId }) => ({ slot, firmwareId })),
    targets: {
      filter: body.targets.filter ?? null,
      deviceIds: body.targets.deviceIds ?? [],
      dynamic: filled.or('/targets/dynamic', body.targets.dynamic, false),
    },
    groups: groups.map((one, index) => toGroup(one, `/groups/${index}`, of)),
    pace: toPace(body.pace ?? {}, filled),
    stopIf: toStopRules(body.stopIf, filled),
    schedule: toSchedule(body.schedule ?? {}, filled),
    retry: toRetry(body.retry ?? {}, filled),
    timeouts: toTimeouts(body.timeouts ?? {}, filled),
    confirm: { soak: filled.or('/confirm/soak', body.confirm?.soak, 0) },
    onConflict: filled.or('/onConflict', body.onConflict, DEFAULTS.onConflict),
    priority: filled.or('/priority', body.priority, 0),
    approval: {
      required: filled.or('/approval/required', body.approval?.required, 0),
      fourEyes: filled.or('/approval/fourEyes', body.approval?.fourEyes, false),
    },
    allowDowngrade: filled.or('/allowDowngrade', body.allowDowngrade, false),
  };
  return { plan, defaulted: filled.pointers };
}

function toGroup(sent: SentGroup, at: string, filled: Filled): GroupPlan {
  return {
    name: sent.name,
    percent: sent.percent ?? null,
    count: sent.count ?? null,
    filter: sent.filter ?? null,
    soak: filled.or(`${at}/soak`, sent.soak, DEFAULTS.group.soak),
    gate: toGate(sent.gate ?? {}, `${at}/gate`, filled),
    approval:
      sent.approval === undefined
        ? filled.or<GroupApproval | null>(`${at}/approval`, undefined, null)
        : toApproval(sent.approval, `${at}/approval`, filled),
  };
}

function toGate(sent: NonNullable<SentGroup['gate']>, at: string, filled: Filled): Gate {
  return {
    minSuccess: filled.or(`${at}/minSuccess`, sent.minSuccess, DEFAULTS.group.gate.minSuccess),
    minSample: filled.or<Gate['minSample']>(
      `${at}/minSample`,
      sent.minSample,
      sent.confidence == null ? DEFAULTS.group.gate.minSample : SEQUENTIAL_MIN_SAMPLE,
    ),
    maxFailureRate: filled.or<number | null>(`${at}/maxFailureRate`, sent.maxFailureRate, null),
    confidence: filled.or<number | null>(`${at}/confidence`, sent.confidence, null),
  };
}

/** An approval by zero persons is none. */
function toApproval(sent: SentGroup['approval'], at: string, filled: Filled): GroupApproval | null {
  if (sent === undefined || sent === null || sent.required === 0) return null;
  return {
    required: filled.or(`${at}/required`, sent.required, 1),
    expiresAfter: filled.or<number | null>(`${at}/expiresAfter`, sent.expiresAfter, null),
    onExpiry: filled.or(`${at}/onExpiry`, sent.onExpiry, 'hold'),
  };
}

function toPace(sent: Sent<'pace'>, filled: Filled): Pace {
  return {
    maxInFlight: filled.or('/pace/maxInFlight', sent.maxInFlight, DEFAULTS.pace.maxInFlight),
    startsPerMinute: filled.or('/pace/startsPerMinute', sent.startsPerMinute, DEFAULTS.pace.startsPerMinute),
    ramp: filled.or('/pace/ramp', sent.ramp, null),
    offline: filled.or('/pace/offline', sent.offline, DEFAULTS.pace.offline),
    awayAfter: filled.or('/pace/awayAfter', sent.awayAfter, DEFAULTS.pace.awayAfter),
  };
}

function toStopRules(sent: NewRollout['stopIf'], filled: Filled): StopRule[] {
  const [standard] = DEFAULTS.stopIf;
  if (sent === undefined)
    return filled.or(
      '/stopIf',
      undefined,
      DEFAULTS.stopIf.map((one) => ({ ...one })),
    );
  return sent.map(({ outcome, share, after, then }, index) => ({
    outcome,
    share,
    after: filled.or(`/stopIf/${index}/after`, after, standard.after),
    then: filled.or(`/stopIf/${index}/then`, then, standard.then),
  }));
}

function toSchedule(sent: Sent<'schedule'>, filled: Filled): Schedule {
  return {
    startAt: filled.or('/schedule/startAt', time(sent.startAt), null),
    endAt: filled.or('/schedule/endAt', time(sent.endAt), null),
    atEnd: filled.or('/schedule/atEnd', sent.atEnd, 'stopAdmitting'),
  };
}

function time(sent: string | null | undefined): number | null {
  return typeof sent === 'string' ? Date.parse(sent) : null;
}

function toRetry(sent: Sent<'retry'>, filled: Filled): RetryPlan {
  const { maxAttempts, backoff: standard, on } = DEFAULTS.retry;
  const { first, factor, max } = sent.backoff ?? {};
  return {
    maxAttempts: filled.or('/retry/maxAttempts', sent.maxAttempts, maxAttempts),
    backoff: {
      // A default gives way to what was sent beside it: who asks for waits of up to a minute does not begin with five.
      first: filled.or('/retry/backoff/first', first, Math.min(standard.first, max ?? standard.first)),
      factor: filled.or('/retry/backoff/factor', factor, standard.factor),
      max: filled.or('/retry/backoff/max', max, Math.max(standard.max, first ?? standard.max)),
    },
    on: filled.or('/retry/on', sent.on, [...on]),
  };
}

function toTimeouts(sent: Sent<'timeouts'>, filled: Filled): Plan['timeouts'] {
  const standard = DEFAULTS.timeouts;
  return {
    offer: filled.or('/timeouts/offer', sent.offer, standard.offer),
    download: filled.or('/timeouts/download', sent.download, standard.download),
    install: filled.or('/timeouts/install', sent.install, standard.install),
    confirm: filled.or('/timeouts/confirm', sent.confirm, standard.confirm),
    target: filled.or('/timeouts/target', sent.target, standard.target),
  };
}
