import { SHOWN_ACTIONS, type ShownAction } from '../../../domain/rollout/actions.js';
import type { Look } from '../../design/button.js';
import type { Rollout } from '../../service/types.js';

/** What the dashboard asks of a rollout here. An approval and an amendment have dialogs of their own. */
export type Asked = Exclude<ShownAction, 'approve' | 'amend'>;
/** In the order of the answer. */
export const ASKED: readonly Asked[] = SHOWN_ACTIONS.filter((one) => one !== 'approve' && one !== 'amend');

/** How a command is asked for. */
export interface Wording {
  readonly button: string;
  readonly look: Look;
  readonly title: string;
  /** What it does, and what it leaves as it is. */
  readonly says: string;
}

/** A command in words. */
export const WORDS: Readonly<Record<Asked, Wording>> = {
  start: {
    button: 'Start',
    look: 'first',
    title: 'Start the rollout',
    says: 'Devices of the first group are offered the content, as the pace allows. Where the plan asks for votes or names a time, it waits for these.',
  },
  pause: {
    button: 'Pause',
    look: 'usual',
    title: 'Pause the rollout',
    says: 'Nothing more starts. Open installations continue.',
  },
  resume: {
    button: 'Resume',
    look: 'first',
    title: 'Resume the rollout',
    says: 'This ends the one pause that you choose, and no other.',
  },
  abort: {
    button: 'Abort',
    look: 'danger',
    title: 'Abort the rollout',
    says: 'This is final. What has not begun ends as canceled; devices that have the content keep it.',
  },
  retry: {
    button: 'Retry',
    look: 'usual',
    title: 'Retry what ended badly',
    says: 'Those devices are tried again, under the same pace and gates. Gates that failed are judged anew.',
  },
  rollback: {
    button: 'Roll back',
    look: 'danger',
    title: 'Roll the rollout back',
    says: 'What is open is canceled, and each device that was updated returns to what its slot held before, the newest group first. Then the rollout ends as aborted.',
  },
  delete: {
    button: 'Delete',
    look: 'danger',
    title: 'Delete the rollout',
    says: 'Its history and its installations stay.',
  },
};

/** Why it is not allowed, as a sentence; undefined where it is. */
export function whyNotSentence({ allowed, whyNot }: Rollout['actions'][ShownAction]): string | undefined {
  if (allowed) return undefined;
  const text = whyNot ?? 'it is not possible now';
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

/** The header that lets a command through only where the plan is as it was looked at. @param version of the plan */
export function ifMatch(version: number): { readonly 'If-Match': string } {
  return { 'If-Match': `"${version}"` };
}

/** A reason for which a rollout is paused. */
export type PauseReason = Rollout['pauses'][number]['reason'];

/** Pauses of a gate: their end overrides it, and the history says why. */
export function needsComment(reason: PauseReason | undefined): boolean {
  return reason === 'gate_failed' || reason === 'gate_inconclusive';
}
