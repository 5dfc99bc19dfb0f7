import type { ProcessStatus } from '../domain/installation/process-status.js';

const STAGES: readonly unknown[] = ['begin', 'download', 'outcome', 'soak', 'ended'] satisfies ProcessStatus['stage'][];
/** The last millisecond of the year 9999: the engine takes no timer that is much longer. */
const LAST_TIME = 253_402_300_799_999;

/**
 * The status in what a signal carries. What is none is passed over: to trip over it would fail the process's task again
 * and again, and the process would do nothing else any more.
 */
export function statusIn(update: unknown): ProcessStatus | undefined {
  const { status } = members(update);
  return isStatus(status) ? status : undefined;
}

/** Whether it has the members of a status, each of its type. */
export function isStatus(value: unknown): value is ProcessStatus {
  const { stage, state, attempt, until, waitingOn, saidAt } = members(value);
  return (
    STAGES.includes(stage) &&
    typeof state === 'string' &&
    typeof waitingOn === 'string' &&
    typeof attempt === 'number' &&
    (until === null || isTime(until)) &&
    (saidAt === undefined || isTime(saidAt))
  );
}

function members(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function isTime(value: unknown): boolean {
  return typeof value === 'number' && value >= 0 && value <= LAST_TIME;
}
