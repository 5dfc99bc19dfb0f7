import { orderOfVersions } from '../artifact/order.js';
import { holdsAlready, type SlotNow } from '../installation/slot-now.js';
import type { Plan } from './plan.js';

/**
 * What may be put onto a device, judged by what its slot holds at that moment. Pure: the admission of a target, the
 * roll back and the forecast ask here, so that all three say the same.
 */

/** The content that a rollout brings, as it is at the moment of the question. */
export interface WantedContent {
  readonly slot: string;
  readonly sha256: string;
  readonly version: string | null;
  /** Whether the firmware is associated with that slot of the type of this device. */
  readonly isAssociated: boolean;
}

/** The members of a plan that decide what happens to a target at its turn. */
export type AdmissionRules = Pick<Plan, 'allowDowngrade' | 'onConflict'>;

/** What becomes of a target: an installation of `content`, or an end without one. */
export type Admission<C> =
  | { readonly do: 'install'; readonly content: C }
  | {
      readonly do: 'conclude';
      readonly as: 'alreadyInstalled' | 'skipped' | 'rejected';
      /** One sentence without a full stop. */
      readonly because: string;
      /** Why it is rejected. */
      readonly code?: AdmissionRefusal;
    };

/** Why a target is rejected at its admission. */
export type AdmissionRefusal = 'FIRMWARE_DELETED' | 'NOT_ASSOCIATED' | 'NOT_COMPARABLE' | 'CONFLICT';

/**
 * @param slot undefined = the device was deleted
 * @param wanted undefined = the firmware was deleted
 */
export function judgeAdmission<C extends WantedContent>(
  slot: SlotNow | undefined,
  wanted: C | undefined,
  rules: AdmissionRules,
): Admission<C> {
  if (!slot) return skipped('the device was deleted');
  if (!wanted) return rejected('FIRMWARE_DELETED', 'the firmware was deleted');
  if (!wanted.isAssociated)
    return rejected(
      'NOT_ASSOCIATED',
      `the firmware is no longer associated with slot "${wanted.slot}" of this device type`,
    );
  if (holdsAlready(slot, wanted.sha256))
    return { do: 'conclude', as: 'alreadyInstalled', because: 'its slot already held the content' };
  const version = rules.allowDowngrade ? undefined : judgeVersions(slot.version, wanted.version);
  if (version) return version;
  if (conflictOf(slot, rules.onConflict) === 'reject')
    return rejected('CONFLICT', `installation ${slot.open[0]} is open on the same slot`);
  return { do: 'install', content: wanted };
}

/** There is nothing to do any more: it leaves every share. */
function skipped(because: string): Extract<Admission<never>, { do: 'conclude' }> {
  return { do: 'conclude', as: 'skipped', because };
}

/** It should have got the content, and cannot: it counts as not succeeded. */
function rejected(code: AdmissionRefusal, because: string): Extract<Admission<never>, { do: 'conclude' }> {
  return { do: 'conclude', as: 'rejected', because, code };
}

/**
 * A downgrade, and what may be one, is asked for by name. Where the slot or the firmware has no version there is
 * nothing to compare.
 */
export function judgeVersions(held: string | null, next: string | null): ReturnType<typeof skipped> | undefined {
  if (held === null || next === null) return undefined;
  const byName = 'set allowDowngrade to install it';
  switch (orderOfVersions(held, next)) {
    case 'older':
      return skipped(`its slot holds ${held}, which is newer than ${next}; ${byName}`);
    case 'incomparable':
      return rejected('NOT_COMPARABLE', `its slot holds ${held}, which cannot be compared with ${next}; ${byName}`);
    case 'newer':
    case 'same':
      return undefined;
  }
}

/** What `onConflict` says about what is open on the same slot; undefined = nothing is. */
export function conflictOf(
  slot: Pick<SlotNow, 'open'>,
  onConflict: Plan['onConflict'],
): Plan['onConflict'] | undefined {
  return slot.open.length === 0 ? undefined : onConflict;
}

/** What becomes of a target that is to return to its earlier content. */
export type RollbackAdmission<C> =
  | { readonly do: 'install'; readonly content: C }
  | {
      readonly do: 'conclude';
      readonly as: 'done' | 'failed';
      readonly because: string;
      /** The slot holds neither the earlier content nor that of the rollout. */
      readonly isOther?: boolean;
    };

/**
 * Downgrades are the point of a roll back: they need no allowDowngrade.
 * @param slot undefined = the device was deleted
 * @param earlier what the slot held before; undefined = that firmware was deleted
 * @param own SHA-256 of the content that the rollout brought
 */
export function judgeRollback<C extends { readonly sha256: string }>(
  slot: SlotNow | undefined,
  earlier: C | undefined,
  own: string | undefined,
): RollbackAdmission<C> {
  if (!slot) return notBack('the device was deleted');
  if (earlier === undefined) return notBack('the earlier content of its slot was deleted');
  if (slot.sha256 === earlier.sha256)
    return { do: 'conclude', as: 'done', because: 'its slot already holds the earlier content' };
  // What is unknown is not other.
  if (slot.sha256 !== null && slot.sha256 !== own)
    return { ...notBack('its slot holds other content now, which stays'), isOther: true };
  return { do: 'install', content: earlier };
}

function notBack(because: string): Extract<RollbackAdmission<never>, { do: 'conclude' }> {
  return { do: 'conclude', as: 'failed', because };
}
