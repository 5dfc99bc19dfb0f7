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
export const STATES = [...OPEN_STATES, ...ENDED_STATES] as const;

export type EndedState = (typeof ENDED_STATES)[number];
export type State = (typeof STATES)[number];

export function isEnded(state: State): state is EndedState {
  return (ENDED_STATES as readonly State[]).includes(state);
}
