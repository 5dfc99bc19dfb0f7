import { backSentence, badOf, installedOf, openOf, type GroupResource, type RolloutResource } from './resource.js';
import { Canvas, colour, seconds, widthsOf, wrapped } from '../terminal/terminal.js';

const GREEN = 32;
const RED = 31;
const BLUE = 34;
const GREY = 90;
const STATE_COLOURS: Readonly<Record<GroupResource['state'], number>> = {
  pending: GREY,
  running: BLUE,
  soaking: 36,
  awaiting_approval: 33,
  passed: GREEN,
  failed: RED,
};
/** What is told of a group in numbers, in the order of the columns. */
const COLUMNS = ['of', 'pending', 'in flight', 'installed', 'failed'] as const;
/** Of the bar, where the terminal has room for it. */
const BAR = 24;

/**
 * The live picture of a rollout: on a terminal drawn over itself, elsewhere a line whenever a group, or what the
 * rollout does, has changed.
 */
export class RolloutPicture {
  private readonly canvas: Canvas;
  private readonly known = new Map<string, string>();

  constructor(
    private readonly out: NodeJS.WriteStream,
    private readonly began: number,
  ) {
    this.canvas = new Canvas(out);
  }

  draw(rollout: RolloutResource): void {
    if (this.out.isTTY) this.canvas.draw((columns) => rolloutPicture(rollout, Date.now() - this.began, columns));
    else
      for (const line of this.changes(rollout))
        this.out.write(`${seconds(Date.now() - this.began).padStart(7)}  ${line}\n`);
  }

  /** What is new since the last look, a line each. */
  changes(rollout: RolloutResource): string[] {
    const news = rollout.groups.flatMap((group) => {
      const counts = countsOf(group);
      const line = `${group.name.padEnd(nameWidth(rollout))}  ${group.state.padEnd(stateWidth(rollout))}  ${COLUMNS.map(
        (column, index) => `${column} ${counts[index]}`,
      )
        .slice(1)
        .join(', ')}`;
      const back = backSentence(group);
      const decided = group.state === 'passed' || group.state === 'failed' ? `: ${group.gate.because}` : '';
      return this.isNew(group.name, `${group.state} ${counts.join(' ')} ${back}`)
        ? [`${line}${back === undefined ? decided : `: ${back}`}`]
        : [];
    });
    return [
      ...news,
      ...(this.isNew('/phase', `${rollout.phase} ${rollout.pauses.length}`)
        ? [`${rollout.phase}: ${rollout.because}`]
        : []),
    ];
  }

  private isNew(what: string, now: string): boolean {
    if (this.known.get(what) === now) return false;
    this.known.set(what, now);
    return true;
  }
}

/** A head, two lines per group, and what it waits for: none wider than the terminal. */
export function rolloutPicture(rollout: RolloutResource, ms: number, columns: number): string[] {
  const names = nameWidth(rollout);
  const states = stateWidth(rollout);
  const widths = widthsOf([COLUMNS, ...rollout.groups.map((group) => countsOf(group).map(String))]);
  const numbers = widths.reduce((sum, width) => sum + width + 2, 0);
  const bar = Math.max(0, Math.min(BAR, columns - names - states - 4 - numbers));
  const head = `${''.padEnd(names + states + bar + 4)}${COLUMNS.map((title, column) => `  ${title.padStart(widths[column] ?? 0)}`).join('')}`;
  const lines = rollout.groups.flatMap((group) => [
    `${group.name.padEnd(names)}  ${colour(STATE_COLOURS[group.state], group.state.padEnd(states))}  ${barOf(group, bar)}${countsOf(
      group,
    )
      .map((count, index) => `  ${String(count).padStart(widths[index] ?? 0)}`)
      .join('')}`,
    colour(GREY, `${' '.repeat(names)}  ${backSentence(group) ?? group.gate.because}`.slice(0, columns)),
  ]);
  return [
    colour(GREY, head.slice(0, columns)),
    ...lines,
    '',
    `${rollout.phase}, ${seconds(ms)}`,
    ...wrapped(rollout.waitingOn ?? rollout.because, columns),
  ];
}

function countsOf(group: GroupResource): number[] {
  return [group.size, group.counters.pending, openOf(group), installedOf(group), badOf(group)];
}

/**
 * Each share with a sign of its own, so that it can be read without colours: # installed, x failed, > in flight, .
 * pending.
 */
function barOf(group: GroupResource, width: number): string {
  const shares = [
    [installedOf(group), '#', GREEN],
    [badOf(group), 'x', RED],
    [openOf(group), '>', BLUE],
    [group.counters.pending, '.', GREY],
  ] as const;
  const least = width < shares.length ? 0 : 1;
  const cells = shares.map(([count, sign, code]) => ({
    sign,
    code,
    length: count === 0 ? 0 : Math.max(least, Math.round((count / group.size) * width)),
  }));
  // One failure of 150 is seen as well: the largest share gives what the small ones take.
  const most = Math.max(...cells.map(({ length }) => length));
  const largest = cells.find(({ length }) => length === most);
  const rest = width - cells.reduce((sum, { length }) => sum + length, 0);
  return cells
    .map((cell) => colour(cell.code, cell.sign.repeat(Math.max(0, cell.length + (cell === largest ? rest : 0)))))
    .join('');
}

function nameWidth({ groups }: RolloutResource): number {
  return Math.max(...groups.map(({ name }) => name.length));
}

function stateWidth({ groups }: RolloutResource): number {
  return Math.max(...groups.map(({ state }) => state.length), 'pending'.length);
}
