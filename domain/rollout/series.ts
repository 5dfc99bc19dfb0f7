const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** What is kept: nothing is finer. */
export const FINEST_STEP_MS = MINUTE_MS;
/** More is no picture any more. */
export const MOST_POINTS = 1_000;
/** What a curve on a screen takes; longer ones get a coarser step. */
const POINTS_WANTED = 500;
const STEPS_MS = [1, 5, 15, 60, 360, 1_440].map((minutes) => minutes * MINUTE_MS);

/** What happened within one step. `at`: its beginning, epoch milliseconds. */
export interface SeriesPoint {
  readonly at: number;
  /** Installations that were started. */
  readonly started: number;
  /** Targets that came to their end; one that is tried again counts again. */
  readonly ended: number;
  /** Of these: failed, rejected or timed out. */
  readonly failed: number;
}

/** The step where none is asked for, by how long the rollout takes; milliseconds. */
export function defaultStep(lengthMs: number): number {
  return (
    STEPS_MS.find((step) => lengthMs / step <= POINTS_WANTED) ?? Math.ceil(lengthMs / POINTS_WANTED / HOUR_MS) * HOUR_MS
  );
}

/** The finest step that gives no more points than an answer may have; milliseconds. */
export function finestStep(lengthMs: number): number {
  return Math.max(FINEST_STEP_MS, Math.ceil(lengthMs / (MOST_POINTS - 1) / MINUTE_MS) * MINUTE_MS);
}

/** One point for each step from the first to the last in which something happened. @param points in their order */
export function withoutGaps(points: readonly SeriesPoint[], stepMs: number): SeriesPoint[] {
  return points.flatMap((point, index) => {
    const next = points[index + 1];
    const missing = next === undefined ? 0 : Math.round((next.at - point.at) / stepMs) - 1;
    const empty = Array.from({ length: missing }, (_, nth) => ({
      at: point.at + (nth + 1) * stepMs,
      started: 0,
      ended: 0,
      failed: 0,
    }));
    return [point, ...empty];
  });
}
