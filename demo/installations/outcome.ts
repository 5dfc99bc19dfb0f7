import type { InstallationResource } from '../service/operator.js';
import { indented, labelOf } from './picture.js';
import { story } from './story.js';
import { widthsOf, wrapped } from '../terminal/terminal.js';

/** How one device ended, and whether that is what its profile says. */
export interface Outcome {
  readonly name: string;
  readonly isChild: boolean;
  readonly profile: string;
  readonly installation: InstallationResource;
  readonly expected: { readonly state: string; readonly because: string };
  /** What the device's disk says: undefined = as it should be. */
  readonly wrong: string | undefined;
}

/** Both the state and the disk of the device must be as its profile says. */
export function isAsExpected({ installation, expected, wrong }: Outcome): boolean {
  return installation.state === expected.state && wrong === undefined;
}

/** The history's time between the first of `from` and the first of `to` that follows, seconds. */
function between({ history }: InstallationResource, from: readonly string[], to: readonly string[]): string {
  const index = history.findIndex((entry) => from.includes(entry.event));
  const first = history[index];
  const last = history.slice(index + 1).find((entry) => to.includes(entry.event));
  return first && last ? ((Date.parse(last.at) - Date.parse(first.at)) / 1_000).toFixed(1) : '-';
}

const ENDS = ['installed', 'failed', 'rejected', 'timed_out', 'canceled'];
const PHASES: readonly (readonly [string, readonly string[], readonly string[]])[] = [
  ['notify', ['requested'], ['delivered']],
  ['accept', ['delivered'], ['accepted', 'deferred', ...ENDS]],
  ['load', ['downloading', 'accepted'], ['downloaded']],
  ['install', ['downloaded'], ['rebooting', ...ENDS]],
  ['confirm', ['rebooting'], ENDS],
  ['all', ['requested'], ENDS],
];

/**
 * The table at the end: each device, what happened, how many seconds each phase took, and below it how it came to that.
 * 80 columns.
 */
export function table(outcomes: readonly Outcome[]): string {
  const head = ['device', 'fault', 'ended as', 'try', ...PHASES.map(([name]) => name)];
  const rows = outcomes.map((outcome) => ({
    outcome,
    cells: [
      indented(outcome),
      labelOf(outcome.profile),
      outcome.installation.state,
      String(outcome.installation.attempt),
      ...PHASES.map(([, from, to]) => between(outcome.installation, from, to)),
    ],
  }));
  const widths = widthsOf([head, ...rows.map(({ cells }) => cells)]);
  const print = (cells: readonly string[]) =>
    cells
      .map((cell, column) => (column < 3 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join(' ');
  const lines = rows.flatMap(({ outcome, cells }) => [
    print(cells),
    ...wrapped(sentence(outcome), 76).map((line) => `    ${line}`),
  ]);
  return [`${print(head)}   (seconds)`, ...lines].join('\n');
}

function sentence(outcome: Outcome): string {
  const { installation, expected, wrong } = outcome;
  if (isAsExpected(outcome)) return story(installation);
  return `! ${wrong ?? `It should have ended as ${expected.state} (${expected.because}), and did not`}. ${story(installation)}`;
}
