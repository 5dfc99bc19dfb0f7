/** The states of an installation, in the words of docs/contracts/device-mqtt.md, "States". */
export const OPEN_STATES = [
  'scheduled',
  'queued',
  'delivered',
  'accepted',
  'deferred',
  'downloading',
  'downloaded',
  'installing',
  'rebooting',
  'confirming',
] as const;
const ENDED_STATES = ['installed', 'failed', 'rejected', 'canceled', 'timed_out', 'superseded'] as const;
/** Open ones first, in the order in which an installation passes them; then the ends. */
export const STATES = [...OPEN_STATES, ...ENDED_STATES] as const;

/** A terminal state: nothing leads out of it. */
export type EndedState = (typeof ENDED_STATES)[number];
/** Any state of an installation, open or ended. */
export type State = (typeof STATES)[number];

/** Narrows to the terminal states: no report and no deadline changes these any more. */
export function isEnded(state: State): state is EndedState {
  return (ENDED_STATES as readonly State[]).includes(state);
}
