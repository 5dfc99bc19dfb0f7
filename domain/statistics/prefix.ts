/**
 * What a target has come to, as a sequential test sees it: already installed content succeeded, every other end failed.
 */
export type Outcome = 'succeeded' | 'failed' | 'open';

/**
 * What the sequential test may look at: the devices that were admitted first, as far as all of them have ended. Those
 * that ended so far are no fair sample: a device that works reports within minutes, one that hangs only at its
 * deadline, so that among the ended nearly all succeeded, whatever the firmware is like.
 * @param outcomes in the order of admission
 */
export function longestEndedPrefix(outcomes: readonly Outcome[]): { readonly ended: number; readonly failed: number } {
  const open = outcomes.indexOf('open');
  const prefix = open < 0 ? outcomes : outcomes.slice(0, open);
  return { ended: prefix.length, failed: prefix.filter((outcome) => outcome === 'failed').length };
}
