/** Work over many devices (docs/contracts/operators.md, "Devices in bulk"). */
export type JobKind = 'import' | 'bulk';

/** `receiving`: its lines still come. */
export const JOB_STATES = ['receiving', 'queued', 'running', 'done', 'failed', 'canceled'] as const;
/** One of them; the last three are ends. */
export type JobState = (typeof JOB_STATES)[number];

/** What a job waits for while its tenant is suspended. */
export const HELD = 'Waiting for its tenant, which is suspended, to be active again.';

/** What is wrong with one line. `pointer`: a JSON pointer into it, '' = the whole. */
export interface LineFault {
  readonly line: number;
  readonly pointer: string;
  readonly detail: string;
}

/** What happens to a row whose id or alias is that of a device: everything stops, it is left out, or it is written. */
export const ON_CONFLICT = ['fail', 'skip', 'update'] as const;
/** One of them. */
export type OnConflict = (typeof ON_CONFLICT)[number];
