import type { StopRule } from './plan.js';

/** What the planner asks for. A step carries all that its executor needs; after it, the planner is asked again. */
export type Step =
  /**
   * Takes down the next page of targets, puts the next page of them into their groups, or judges of the next page
   * whether it may be admitted.
   */
  | { readonly do: 'materialise' }
  | { readonly do: 'begin' }
  | { readonly do: 'fire_rule'; readonly rule: StopRule; readonly because: string }
  | { readonly do: 'open_group'; readonly group: string }
  /** Of a group that has just opened, the next page of targets that hold the content already comes to its end. */
  | { readonly do: 'conclude_held'; readonly group: string }
  /** `null` takes the soak back: its gate is not satisfied any more. */
  | { readonly do: 'soak'; readonly group: string; readonly since: number | null }
  | { readonly do: 'ask_approval'; readonly group: string }
  | { readonly do: 'pass_group'; readonly group: string; readonly because: string }
  | {
      readonly do: 'fail_group';
      readonly group: string;
      readonly reason: 'gate_failed' | 'gate_inconclusive' | 'approval';
      readonly because: string;
      readonly pause: boolean;
    }
  | { readonly do: 'admit'; readonly group: string; readonly count: number }
  /** Queued installations whose turn on their device has come get a place of the cap, the longest waiting first. */
  | { readonly do: 'give_places'; readonly count: number }
  /** The plan's end has come: what is pending is not begun any more. */
  | { readonly do: 'end' }
  /** The next page of pending targets comes to its end. `groups`: of these only; null = of all. */
  | {
      readonly do: 'end_pending';
      readonly groups: readonly string[] | null;
      readonly as: 'canceled' | 'timedOut';
      readonly because: string;
    }
  /** The next page of open installations is asked to stop. */
  | {
      readonly do: 'stop_open';
      /** As above. */
      readonly groups: readonly string[] | null;
      readonly only: 'notBegun' | 'all';
      readonly as: 'canceled' | 'timedOut';
      readonly because: string;
    }
  | { readonly do: 'abort'; readonly because: string; readonly cancelOpen: boolean }
  /** Of a dynamic rollout: the next page of devices that have come to match, or have ceased to. */
  | { readonly do: 'sweep' }
  /** Works out what the next page of installed targets held before. */
  | { readonly do: 'prepare_back' }
  | { readonly do: 'admit_back'; readonly group: string; readonly count: number }
  /** The next page of targets that have not been rolled back in time. */
  | { readonly do: 'give_up_back'; readonly because: string }
  /** The next page of those whose way back is queued behind another installation is asked to stop. */
  | { readonly do: 'stop_back'; readonly because: string }
  | { readonly do: 'rolled_back'; readonly because: string }
  | { readonly do: 'finish' }
  | { readonly do: 'close' };

/** The discriminator of `Step`; it also stands in the history. */
export type StepKind = Step['do'];

/** What the rollout waits for. Times are epoch milliseconds. */
export interface Waiting {
  readonly sentence: string;
  /** When to look again; null = only news moves it. */
  readonly until: number | null;
  /** When something happens by time alone, for people: a look that may find nothing is none. null = never. */
  readonly actsAt: number | null;
}

/**
 * `steps` and `waitingOn` are never both empty before the end (R4). Only the first step is executed before the next
 * look: later ones say what would follow from the same facts.
 */
export interface Planned {
  readonly steps: readonly Step[];
  readonly waitingOn: Waiting | null;
  readonly outcome: 'finished' | 'aborted' | null;
}

/** A plan of these steps, the first of which is executed before the next look. */
export function steps(...list: Step[]): Planned {
  return { steps: list, waitingOn: null, outcome: null };
}

/** A plan without a step: what is waited for, and until when (epoch milliseconds; null = for news). */
export function waiting(sentence: string, until: number | null, actsAt = until): Planned {
  const waitingOn: Waiting = { sentence, until, actsAt };
  return { steps: [], waitingOn, outcome: null };
}
