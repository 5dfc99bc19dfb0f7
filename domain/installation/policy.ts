import { backOff } from '../back-off.js';

/**
 * How long each phase may take, how often it is tried, how long the new content must prove itself. Milliseconds
 * throughout.
 */
export interface Policy {
  timeouts: { offer: number; download: number; install: number; confirm: number };
  retry: { maxAttempts: number; first: number; factor: number; max: number };
  soak: number;
  /** How long a device may put an installation off in all. */
  maxDefer: number;
  /**
   * What its rollout, or the person who asked for it, allows: judged again when the installation gets its turn; absent
   * = any version, by name.
   */
  rules?: TurnRules;
}

/** The rules that hold again at the turn (domain/rollout/turn.ts). */
export interface TurnRules {
  allowDowngrade: boolean;
  /** SHA-256 of the only content that it may replace, on a way back; null = any. */
  replaces: string | null;
}

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/**
 * The defaults of an installation that was asked for by itself (docs/contracts/rest-api.md, "Firmware installations").
 */
export const DEFAULT_POLICY: Policy = {
  timeouts: { offer: 7 * DAY, download: HOUR, install: 30 * MINUTE, confirm: 15 * MINUTE },
  retry: { maxAttempts: 3, first: 10 * SECOND, factor: 2, max: 10 * MINUTE },
  soak: 0,
  maxDefer: DAY,
};

/** As long as a reason may be (docs/contracts/rest-api.md). */
export const REASON_CHARACTERS = 255;

/**
 * Where `accepted` was never seen, a device that is there answers a cancellation within a round trip; 5 s covers a slow
 * radio.
 */
export const CANCEL_ANSWER_MS = 5 * SECOND;

/** Milliseconds before attempt `attempt` (2, 3, …) begins. */
export function backoff({ retry: { first, max, factor } }: Policy, attempt: number): number {
  return backOff(attempt - 1, { firstMs: first, maxMs: max, factor });
}
