import { same } from './amendment.js';
import { LEAST_SAMPLE, type Gate, type GroupApproval, type GroupPlan, type Plan, type StopRule } from './plan.js';
import { ruleKey } from './stop-rules.js';

/**
 * What a change of a plan does to its safety (docs/contracts/rollouts.md, "Approvals"): fewer approvals, a weaker gate
 * or stop rule, a higher pace and more targets loosen. What cannot be compared loosens, too: an approval stands for
 * what was seen.
 */
export type Effect = 'loosens' | 'tightens' | 'neutral';

/** Where two plans differ in their safety: paths such as `pace.maxInFlight` and `groups.canary.approval`. */
export interface Comparison {
  /** `loosens` where anything does, also where something is tightened beside it. */
  readonly effect: Effect;
  readonly loosened: readonly string[];
  readonly tightened: readonly string[];
}

interface Difference {
  readonly at: readonly string[];
  readonly effect: Exclude<Effect, 'neutral'>;
}

/** Judges one member of a plan. Not loosening is transitive: many small steps come to no more than one. */
type Rule<T> = (before: T, after: T) => readonly Difference[];

const NOTHING: readonly Difference[] = [];

function found(effect: Effect): readonly Difference[] {
  return effect === 'neutral' ? NOTHING : [{ at: [], effect }];
}

const says: Rule<unknown> = () => NOTHING;
const moreLoosens: Rule<number> = (before, after) =>
  found(after > before ? 'loosens' : after < before ? 'tightens' : 'neutral');
const lessLoosens: Rule<number> = (before, after) => moreLoosens(after, before);
const yesLoosens: Rule<boolean> = (before, after) => moreLoosens(Number(before), Number(after));
const noLoosens: Rule<boolean> = (before, after) => yesLoosens(after, before);
const anyLoosens: Rule<unknown> = (before, after) => found(same(before, after) ? 'neutral' : 'loosens');

/** By how loose each word is: a new word does not compile without its place. */
function ranked<T extends string>(looseness: Record<T, number>): Rule<T> {
  return (before, after) => moreLoosens(looseness[before], looseness[after]);
}

/** Where null asks for less than any value does. */
function nullIsLoosest<T>(rule: Rule<T>): Rule<T | null> {
  return (before, after) => {
    if (before === null || after === null)
      return found(before === after ? 'neutral' : after === null ? 'loosens' : 'tightens');
    return rule(before, after);
  };
}

/** Where null means another kind of judgement, which cannot be compared. */
function nullIsOther<T>(rule: Rule<T>): Rule<T | null> {
  return (before, after) => (before === null || after === null ? anyLoosens(before, after) : rule(before, after));
}

/** Every member has its rule: a new one does not compile without. */
function members<T extends object>(rules: { readonly [K in keyof T]-?: Rule<T[K]> }): Rule<T> {
  return (before, after) =>
    (Object.keys(rules) as (keyof T & string)[]).flatMap((member) =>
      under(member, rules[member](before[member], after[member])),
    );
}

function under(name: string, differences: readonly Difference[]): readonly Difference[] {
  return differences.map(({ at, effect }) => ({ at: [name, ...at], effect }));
}

/** A list of words of which each allows more. */
const moreOfThem: Rule<readonly string[]> = (before, after) => {
  if (after.some((one) => !before.includes(one))) return found('loosens');
  return found(before.every((one) => after.includes(one)) ? 'neutral' : 'tightens');
};

/** `all` asks for `LEAST_SAMPLE` in any case, but not for devices that are away. */
const sample: Rule<Gate['minSample']> = (before, after) => {
  if (before === after) return NOTHING;
  if (after === 'all') return found(before !== 'all' && before <= LEAST_SAMPLE ? 'tightens' : 'loosens');
  return before === 'all' ? found('loosens') : lessLoosens(before, after);
};

const gate = members<Gate>({
  minSuccess: lessLoosens,
  minSample: sample,
  maxFailureRate: nullIsOther(moreLoosens),
  confidence: nullIsOther(lessLoosens),
});

const groupApproval = members<GroupApproval>({
  required: lessLoosens,
  expiresAfter: nullIsLoosest(moreLoosens),
  onExpiry: ranked({ abort: 0, hold: 1 }),
});

const group = members<GroupPlan>({
  name: anyLoosens,
  percent: anyLoosens,
  count: anyLoosens,
  filter: anyLoosens,
  soak: lessLoosens,
  gate,
  approval: nullIsLoosest(groupApproval),
});

const groups: Rule<readonly GroupPlan[]> = (before, after) => {
  if (before.length !== after.length) return found('loosens');
  return after.flatMap((one, index) => {
    const was = before[index];
    return was === undefined ? NOTHING : under(was.name, group(was, one));
  });
};

/** What each does when it acts: one that does more covers one that does less. */
const SEVERITY = { pause: 0, abort: 1, rollBack: 2 } as const satisfies Record<StopRule['then'], number>;

/** Whether `by` acts wherever `rule` does, and does at least as much. One that has acted never acts again. */
function covers(rule: StopRule, by: StopRule, fired: readonly string[]): boolean {
  if (ruleKey(by) === ruleKey(rule)) return true;
  return (
    !fired.includes(ruleKey(by)) &&
    (by.outcome === rule.outcome || by.outcome === 'any') &&
    by.share <= rule.share &&
    by.after <= rule.after &&
    SEVERITY[by.then] >= SEVERITY[rule.then]
  );
}

/** Each rule that there was needs one of its own that covers it: a rule acts only once. */
function stopRules(fired: readonly string[]): Rule<readonly StopRule[]> {
  return (before, after) => {
    const covered = new Map<StopRule, StopRule>();
    const place = (rule: StopRule, asked: Set<StopRule>): boolean =>
      after.some((by) => {
        if (asked.has(by) || !covers(rule, by, fired)) return false;
        asked.add(by);
        const other = covered.get(by);
        if (other !== undefined && !place(other, asked)) return false;
        covered.set(by, rule);
        return true;
      });
    if (!before.every((rule) => place(rule, new Set()))) return found('loosens');
    const known = new Set(before.map(ruleKey));
    return found(after.every((rule) => known.has(ruleKey(rule))) ? 'neutral' : 'tightens');
  };
}

/** All of a plan. */
function plans(fired: readonly string[]): Rule<Plan> {
  return members<Plan>({
    name: says,
    description: says,
    steps: anyLoosens,
    targets: members<Plan['targets']>({ filter: anyLoosens, deviceIds: moreOfThem, dynamic: yesLoosens }),
    groups,
    pace: members<Plan['pace']>({
      maxInFlight: moreLoosens,
      startsPerMinute: moreLoosens,
      ramp: nullIsLoosest(
        members({ from: moreLoosens, factor: moreLoosens, every: members({ succeeded: lessLoosens }) }),
      ),
      offline: ranked({ wait: 0, offer: 1 }),
      // What is away holds no gate.
      awayAfter: lessLoosens,
    }),
    stopIf: stopRules(fired),
    schedule: members<Plan['schedule']>({
      // Without a time, a command starts it at any time.
      startAt: nullIsLoosest(lessLoosens),
      endAt: nullIsLoosest(moreLoosens),
      atEnd: ranked({ cancelOpen: 0, stopAdmitting: 1 }),
    }),
    retry: members<Plan['retry']>({
      maxAttempts: moreLoosens,
      backoff: members<Plan['retry']['backoff']>({ first: lessLoosens, factor: lessLoosens, max: lessLoosens }),
      on: moreOfThem,
    }),
    timeouts: members<Plan['timeouts']>({
      offer: moreLoosens,
      download: moreLoosens,
      install: moreLoosens,
      confirm: moreLoosens,
      target: moreLoosens,
    }),
    confirm: members<Plan['confirm']>({ soak: lessLoosens }),
    onConflict: ranked({ reject: 0, queue: 1, supersede: 2 }),
    priority: moreLoosens,
    approval: members<Plan['approval']>({ required: lessLoosens, fourEyes: noLoosens }),
    allowDowngrade: yesLoosens,
  });
}

/**
 * Compares a plan with what it is to become. Pure and total: a member of the plan without a rule does not compile.
 * @param fired the stop rules that have acted (`RolloutFacts.fired`): they hold nothing back any more
 */
export function comparePlans(before: Plan, after: Plan, fired: readonly string[]): Comparison {
  const differences = plans(fired)(before, after);
  const of = (effect: Effect) => differences.filter((one) => one.effect === effect).map(({ at }) => at.join('.'));
  const [loosened, tightened] = [of('loosens'), of('tightens')];
  return {
    effect: loosened.length > 0 ? 'loosens' : tightened.length > 0 ? 'tightens' : 'neutral',
    loosened,
    tightened,
  };
}
