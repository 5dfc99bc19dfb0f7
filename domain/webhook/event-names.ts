import { STATES } from '../installation/states.js';
import type { Command } from '../rollout/commands.js';
import type { StepKind } from '../rollout/steps.js';

/**
 * The names of events: the only ones that are written to the history, that `GET /v1/events` answers, and that a webhook
 * can ask for. Names are added, and never renamed: what reads a history knows them.
 */

/** Of one installation: its states as it enters them, and what else happened to it. */
export const INSTALLATION_EVENTS = [
  'requested',
  ...STATES,
  'turn',
  'released',
  'renumbered',
  'hello_asked',
  'cancel_requested',
  'cancel_refused',
] as const;

/** Of a device: a slot holds something else, or the device fell silent and came back. */
export const DEVICE_EVENTS = ['slot', 'offline', 'online'] as const;

/** A command by its name; an amendment is the one that has another here. */
type Told = Exclude<Command['do'], 'amend'>;
/** What people asked of a rollout. */
const COMMANDS = [
  'start',
  'pause',
  'resume',
  'abort',
  'rollback',
  'retry',
  'skip',
  'approve',
  'reject',
] as const satisfies readonly Told[];

/** What the planner did; `materialise` alone is not told. */
const STEPS = [
  'begin',
  'fire_rule',
  'open_group',
  'conclude_held',
  'soak',
  'ask_approval',
  'pass_group',
  'fail_group',
  'admit',
  'give_places',
  'end',
  'end_pending',
  'stop_open',
  'sweep',
  'prepare_back',
  'admit_back',
  'give_up_back',
  'stop_back',
  'rolled_back',
  'finish',
  'close',
] as const satisfies readonly StepKind[];

/** Of a rollout: what people asked for, and what the planner decided. `abort` is both. */
export const ROLLOUT_EVENTS = ['created', 'amended', 'deleted', ...COMMANDS, ...STEPS] as const;

/** All of them, each once. */
export const EVENT_NAMES = [...INSTALLATION_EVENTS, ...DEVICE_EVENTS, ...ROLLOUT_EVENTS] as const;
/** A name that the history may have. */
export type EventName = (typeof EVENT_NAMES)[number];

/** The name in the history of a command of a person. */
export function eventOfCommand(command: Command['do']): EventName {
  return command === 'amend' ? 'amended' : command;
}

/** The name in the history of what the planner did. */
export function eventOfStep(step: Exclude<StepKind, 'materialise'>): EventName {
  return step;
}
