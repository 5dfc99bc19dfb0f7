import type { Installation } from '../installation/installation.js';
import type { SlotNow } from '../installation/slot-now.js';
import { judgeAdmission, judgeRollback } from './admission.js';
import type { TargetState } from './facts.js';

/**
 * Why an installation is not offered although it has its turn: what was true when it was admitted is not any more. The
 * code is what its target becomes.
 */
export const TURN_REFUSALS = {
  CONTENT_NEWER: 'skipped',
  CONTENT_CHANGED: 'skipped',
  NOT_ASSOCIATED: 'rejected',
  TOO_LARGE: 'rejected',
  HASH_UNSUPPORTED: 'rejected',
  TYPE_CONTRADICTED: 'rejected',
  NOT_COMPARABLE: 'rejected',
} as const satisfies Record<string, TargetState>;
/** The code with which such an installation ends. */
export type TurnRefusal = keyof typeof TURN_REFUSALS;

/**
 * The rules of admission, asked again at the turn (admission.ts).
 * @param slot what it holds; nothing that waits behind the turn is a conflict
 * @param isAssociated whether the firmware is still associated with that slot of the type of the device
 * @returns undefined where it may be offered
 */
export function judgeTurn(
  i: Installation,
  slot: SlotNow,
  isAssociated: boolean,
): { readonly code: TurnRefusal; readonly message: string } | undefined {
  const { rules } = i.policy;
  if (rules === undefined) return undefined;
  if (rules.replaces !== null) {
    const back = judgeRollback(slot, i, rules.replaces);
    return back.do === 'conclude' && back.as === 'failed'
      ? { code: 'CONTENT_CHANGED', message: back.because }
      : undefined;
  }
  const wanted = { slot: i.slot, sha256: i.sha256, version: i.version, isAssociated };
  const admission = judgeAdmission({ ...slot, open: [] }, wanted, {
    allowDowngrade: rules.allowDowngrade,
    onConflict: 'queue',
  });
  if (admission.do === 'install' || admission.as === 'alreadyInstalled') return undefined;
  const refused = admission.code === 'NOT_COMPARABLE' ? 'NOT_COMPARABLE' : 'NOT_ASSOCIATED';
  return { code: admission.as === 'skipped' ? 'CONTENT_NEWER' : refused, message: admission.because };
}

/** What becomes of a target whose installation ended so; undefined = it did not end at its turn. */
export function stateAfterTurn(i: Installation): 'skipped' | 'rejected' | undefined {
  return i.state === 'canceled' && i.error !== null && Object.hasOwn(TURN_REFUSALS, i.error.code)
    ? TURN_REFUSALS[i.error.code as TurnRefusal]
    : undefined;
}
