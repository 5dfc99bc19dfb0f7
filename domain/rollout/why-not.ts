import type { Phase } from './phase.js';

/** What a person may ask of a rollout (docs/contracts/rollouts.md, "States"). */
export const ACTIONS = [
  'start',
  'pause',
  'resume',
  'abort',
  'retry',
  'approve',
  'reject',
  'amend',
  'rollback',
  'skip',
  'delete',
] as const;
/** A row of the table of phases and commands. */
export type Action = (typeof ACTIONS)[number];

const OVER = { finished: 'it has finished', aborted: 'it was aborted' } as const;
const create = 'create another rollout';

/**
 * One table of what is allowed when: null = allowed; else why not, and when it would be. Read by the API's 409, the CLI
 * and the dashboard.
 */
const TABLE = {
  start: {
    draft: null,
    awaiting_approval: 'it is already started and continues once it is approved',
    scheduled: 'it is already started and waits for its start time',
    running: 'it is already running',
    paused: 'it is already started; resume it to continue',
    rolling_back: 'it is rolling back and ends after that',
    finished: `${OVER.finished}; ${create}, or retry what failed`,
    aborted: `${OVER.aborted}; ${create}`,
  },
  pause: {
    draft: 'it has not started; there is nothing to pause',
    awaiting_approval: null,
    scheduled: null,
    running: null,
    paused: null,
    rolling_back: 'a roll back cannot be paused; it keeps the pace and the cap of the plan',
    finished: `${OVER.finished}; there is nothing left to pause`,
    aborted: `${OVER.aborted}; there is nothing left to pause`,
  },
  resume: {
    draft: 'it has not started; start it',
    awaiting_approval: 'it is not paused; it continues once it is approved',
    scheduled: 'it is not paused; it waits for its start time',
    running: 'it is not paused; it is running',
    paused: null,
    rolling_back: 'it is rolling back and ends after that',
    finished: `${OVER.finished}; there is nothing to resume`,
    aborted: `${OVER.aborted}, and an abort is final; ${create}`,
  },
  abort: {
    draft: null,
    awaiting_approval: null,
    scheduled: null,
    running: null,
    paused: null,
    rolling_back: 'it is rolling back and ends after that',
    finished: `${OVER.finished}; there is nothing left to abort`,
    aborted: 'it is already aborted',
  },
  retry: {
    draft: 'it has not started; there is nothing to retry',
    awaiting_approval: 'it waits for an approval; retry once it is running',
    scheduled: 'it has not started; there is nothing to retry',
    running: null,
    paused: null,
    rolling_back: 'it is rolling back and ends after that',
    finished: null,
    aborted: `${OVER.aborted}; ${create} for the remaining devices`,
  },
  approve: {
    draft: null,
    awaiting_approval: null,
    scheduled: null,
    running: null,
    paused: null,
    rolling_back: 'it is rolling back; there is nothing left to approve',
    finished: `${OVER.finished}; there is nothing left to approve`,
    aborted: `${OVER.aborted}; there is nothing left to approve`,
  },
  reject: {
    draft: null,
    awaiting_approval: null,
    scheduled: null,
    running: null,
    paused: null,
    rolling_back: 'it is rolling back; there is nothing left to reject',
    finished: `${OVER.finished}; there is nothing left to reject`,
    aborted: `${OVER.aborted}; there is nothing left to reject`,
  },
  amend: {
    draft: null,
    awaiting_approval: null,
    scheduled: null,
    running: null,
    paused: null,
    rolling_back: 'it is rolling back; its plan cannot change any more',
    finished: `${OVER.finished}; its plan cannot change any more`,
    aborted: `${OVER.aborted}; its plan cannot change any more`,
  },
  skip: {
    draft: 'it is not started; leave those devices out of its targets',
    awaiting_approval: null,
    scheduled: 'it has not begun; no device of it is away yet',
    running: null,
    paused: null,
    rolling_back: 'it is rolling back, and ends when that is done',
    finished: `${OVER.finished}; nothing waits for those devices`,
    aborted: `${OVER.aborted}; nothing waits for those devices`,
  },
  delete: {
    draft: null,
    awaiting_approval: 'it is started; reject or abort it, and delete it once it has ended',
    scheduled: 'it is started; abort it, and delete it once it has ended',
    running: 'it is running; abort it, and delete it once it has ended',
    paused: 'it is paused and has not ended; abort it, and delete it once it has ended',
    rolling_back: 'it is rolling back; delete it once it has ended',
    finished: null,
    aborted: null,
  },
  rollback: {
    draft: 'it has not started; there is nothing to roll back',
    awaiting_approval: null,
    scheduled: 'it has not started; abort it',
    running: null,
    paused: null,
    rolling_back: null,
    finished: null,
    aborted: `${OVER.aborted}; ${create} with the earlier firmware and allowDowngrade`,
  },
} as const satisfies Record<Action, Record<Phase, string | null>>;

/** The sentence of 409 `ROLLOUT_STATE`: why the phase does not allow it, and when it would; undefined = it does. */
export function whyNot(action: Action, phase: Phase): string | undefined {
  return TABLE[action][phase] ?? undefined;
}
