import { isMet, ratioOf, type Figure } from './part.js';
import type { Proof } from './proofs.js';
import type { Result } from './result.js';
import { rounded } from './statistics.js';

/** docs/performance.md, made of the results alone: the same results give the same page. */
export function printReport(results: readonly Result[], proofs: readonly Proof[] = []): string {
  return [
    '# Performance',
    '',
    'Made by `npm run bench` from `bench/results/`; do not edit. Each figure stands beside its ceiling (or its floor), measured in the same run on the same machine, so that the',
    'ratio can be compared where the figure cannot. `npm run bench -- --only name,name` measures some parts, `--scale 0.1` tries them with fewer devices, `--full` adds what takes',
    'many minutes, `--report` writes this page anew.',
    '',
    ...results.flatMap(printPart),
    ...printProofs(proofs),
  ].join('\n');
}

/**
 * Beside more of other work than this, a program with more processes gets more of the cores, and ratios mislead as
 * well.
 */
const QUIET = 0.1;

function printPart(result: Result): string[] {
  const notes = result.notes ?? [];
  return [
    `## ${result.title}`,
    '',
    '| | measured | beside | ratio | target | |',
    '|---|---:|---|---:|---|---|',
    ...result.figures.map(printFigure),
    '',
    ...(notes.length === 0 ? [] : ['Noticed:', '', ...notes.map((note) => `* ${note}`), '']),
    'How:',
    '',
    ...result.method.map((sentence) => `* ${sentence}`),
    `* ${printOrigin(result)}`,
    '',
  ];
}

function printProofs(proofs: readonly Proof[]): string[] {
  if (proofs.length === 0) return [];
  const rows = proofs.map(
    ({ command, outcome, origin, file }) =>
      `| \`${command}\` | ${outcome} | ${origin} | [${file}](../bench/results/${file}) |`,
  );
  return [
    '## What was killed, and what was lost',
    '',
    '| command | its last line | when | its output |',
    '|---|---|---|---|',
    ...rows,
    '',
    '`npm run test:long` runs these, and keeps what they print.',
    '',
  ];
}

function printFigure(figure: Figure): string {
  const { name, value, unit, beside, detail = '' } = figure;
  const ratio = ratioOf(figure);
  const cells = [
    name,
    `${printNumber(value)} ${unit}`,
    beside ? `${beside.name}: ${printNumber(beside.value)} ${unit}` : '',
    ratio === undefined ? '' : ratio.toFixed(2),
    printTarget(figure),
    detail,
  ];
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

function printTarget(figure: Figure): string {
  const { target } = figure;
  if (!target) return '';
  const wanted = `${target.is} ${printNumber(target.value)}${target.of === 'value' ? ` ${figure.unit}` : ' of it'}`;
  return isMet(figure) === true ? `met: ${wanted}` : `**missed**: ${wanted}`;
}

function printOrigin({ machine, load, date, commit, scale, seconds, full }: Result): string {
  const scaled = scale === 1 ? '' : `, **at a scale of ${scale}**`;
  const shared = `other work on the machine had ${Math.round(load.others * 100)} % of its CPU`;
  const others = `load ${load.before} before and ${load.after} after; ${load.others > QUIET ? `**${shared}**: neither rates nor ratios are what a quiet machine gives` : shared}`;
  return `${date.slice(0, 10)}, commit ${commit}${scaled}${full ? ', full' : ''}, ${seconds} s. ${machine.cores} cores (${machine.cpu}), ${machine.memoryGib} GiB, Linux ${machine.kernel}, Node ${machine.node}. ${others}.`;
}

/** Thousands are grouped: rates and counts are read at a glance. */
function printNumber(value: number): string {
  return rounded(value).toLocaleString('en-US', { maximumFractionDigits: 3 });
}
