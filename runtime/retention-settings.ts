import { duration } from './setting-kinds.js';

const DAY_MS = 86_400_000;
const retention = duration.refine((ms) => ms >= DAY_MS, 'must be P1D at least');

/** How long what has ended is kept, and the history, and what people did. A day at least: what is pruned is gone. */
export const RETENTION_SETTINGS = {
  SLIPWAY_HISTORY_RETENTION: retention.default(400 * DAY_MS),
  /** Absent = for ever. */
  SLIPWAY_AUDIT_RETENTION: retention.optional(),
} as const;
