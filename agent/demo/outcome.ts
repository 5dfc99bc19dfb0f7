import type { InstallationResource } from './operator.js';
import { seconds } from './picture.js';

/** How one device ended, and whether that is what its profile says. */
export interface Outcome {
  readonly name: string;
  readonly profile: string;
  readonly installation: InstallationResource;
  readonly expected: { readonly state: string; readonly because: string };
  /** What the device's disk says: undefined = as it should be. */
  readonly wrong: string | undefined;
}

export function isAsExpected({ installation, expected, wrong }: Outcome): boolean {
  return installation.state === expected.state && wrong === undefined;
}

/** The history's time between the first of `from` and the first of `to` that follows. */
function between({ history }: InstallationResource, from: readonly string[], to: readonly string[]): string {
  const first = history.findIndex((entry) => from.includes(entry.event));
  const last = history.findIndex((entry, index) => index > first && to.includes(entry.event));
  if (first < 0 || last < 0) return '-';
  return seconds(Date.parse(history[last]!.at) - Date.parse(history[first]!.at));
}

const ENDS = ['installed', 'failed', 'rejected', 'timed_out', 'canceled'];
const PHASES: readonly (readonly [string, readonly string[], readonly string[]])[] = [
  ['notify', ['requested'], ['delivered']],
  ['accept', ['delivered'], ['accepted', 'deferred', ...ENDS]],
  ['download', ['downloading', 'accepted'], ['downloaded']],
  ['install', ['downloaded'], ['rebooting', ...ENDS]],
  ['confirm', ['rebooting'], ENDS],
  ['all', ['requested'], ENDS],
];

/** Why it ended so: what the history says, then what went wrong with the device on the way. */
function why({ installation, expected }: Outcome): string {
  const failed = installation.history.flatMap((entry) => {
    const error = entry.data.error as { code?: string } | undefined;
    return entry.event === 'scheduled' && error?.code ? [`${error.code} at try ${String(entry.data.attempt)}, then tried again`] : [];
  });
  return [installation.rejectReason, ...failed, failed.length === 0 && !installation.rejectReason ? expected.because : undefined].filter(Boolean).join('; ');
}

/** The table at the end: each device, what happened, how long each phase took, and why. */
export function table(outcomes: readonly Outcome[]): string {
  const head = ['device', 'fault', 'ended as', 'tries', ...PHASES.map(([name]) => name), 'why'];
  const rows = outcomes.map((outcome) => [
    outcome.name,
    outcome.profile,
    `${isAsExpected(outcome) ? '' : '! '}${outcome.installation.state}`,
    String(outcome.installation.attempt),
    ...PHASES.map(([, from, to]) => between(outcome.installation, from, to)),
    outcome.wrong ?? (isAsExpected(outcome) ? why(outcome) : `should be ${outcome.expected.state}: ${outcome.expected.because}; ${outcome.installation.waitingOn ?? why(outcome)}`),
  ]);
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]!.length)));
  const print = (row: readonly string[]) => row.map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column]!))).join('  ');
  return [print(head), print(widths.map((width, column) => '-'.repeat(column === widths.length - 1 ? 3 : width))), ...rows.map(print)].join('\n');
}
