import type { Command } from 'commander';
import { follow, readRollout, type Rollout } from '../../../client/index.js';
import type { Cli } from '../cli.js';
import { CliError, type Exit } from '../exit.js';
import { rolloutId } from '../resolve.js';
import { countersText, endedOf, rolloutText } from '../rollout-text.js';
import { cut } from '../text.js';
import { span, verb } from '../verb.js';

interface WatchOptions {
  until: string;
  timeout?: number;
}

/** What a frame of counters holds; a rollout has the same. */
type Progress = Pick<Rollout, 'phase' | 'because' | 'waitingOn' | 'pauses'> & {
  readonly groups: readonly Pick<Rollout['groups'][number], 'name' | 'state' | 'size' | 'counters'>[];
};

/** `rollout watch`: for people who look on, and for scripts that wait. */
export function watchVerb(rollout: Command): void {
  verb<WatchOptions>(
    rollout,
    {
      usage: 'watch <rollout>',
      says: 'look on, and wait for its end, a pause or a group; it continues when you leave',
      examples: [
        'slipway rollout watch "switch 1.5.0"',
        'slipway rollout watch "switch 1.5.0" --until group:canary --timeout 2h',
      ],
    },
    watch,
  )
    .option('--until <what>', 'finished, paused or group:NAME', 'finished')
    .option('--timeout <duration>', 'at most so long (exit code 124)', span);
}

async function watch(cli: Cli, [name = '']: readonly string[], { until, timeout }: WatchOptions): Promise<void> {
  const { client } = cli;
  if (!/^(finished|paused|group:.+)$/.test(until))
    throw new CliError('usage', `--until ${until} is not finished, paused or group:NAME.`);
  const id = await rolloutId(client, name);
  const read = async () => (await readRollout({ client, path: { id } })).data;
  const first = await read();
  if (until.startsWith('group:') && !first.groups.some((group) => `group:${group.name}` === until))
    throw new CliError(
      'usage',
      `There is no group ${until.slice('group:'.length)}.`,
      `Its groups: ${first.groups.map((group) => group.name).join(', ')}`,
    );
  const screen = new Screen(cli, first.name);
  const leave = new AbortController();
  const timer = timeout === undefined ? undefined : setTimeout(() => leave.abort(), timeout);
  const interrupt = () => {
    cli.note(`\nThe rollout continues: slipway rollout show ${id}`);
    process.exit(130);
  };
  process.once('SIGINT', interrupt);
  try {
    screen.show(first);
    let verdict = verdictOn(first, until);
    if (verdict === undefined)
      for await (const { event, data } of follow(client, {
        path: `/v1/rollouts/${id}/events`,
        signal: leave.signal,
        onAway: ({ message }, ms) =>
          screen.say(`The API does not answer (${message}); trying again in ${ms / 1_000} s.`),
      })) {
        if (event !== 'counters') continue;
        const progress = data as Progress;
        screen.show(progress);
        verdict = verdictOn(progress, until);
        if (verdict !== undefined) break;
      }
    const last = await read();
    verdict ??= verdictOn(last, until);
    screen.show(last);
    await cli.value(last, rolloutText(last), id);
    end(verdict ?? 'late', last, timeout);
  } finally {
    clearTimeout(timer);
    process.removeListener('SIGINT', interrupt);
  }
}

/** Whether it is over for this watcher, and with which exit code; undefined = it is not. */
function verdictOn({ phase, groups, pauses }: Progress, until: string): Exit | undefined {
  const isOver = phase === 'finished' || phase === 'aborted';
  const group = groups.find((one) => `group:${one.name}` === until);
  if (group?.state === 'passed') return 'done';
  if (until === 'paused' && phase === 'paused') return 'done';
  if (isOver) return until === 'finished' && phase === 'finished' ? 'done' : 'endedBadly';
  // It waits for a person: a script that waits on would wait for ever.
  if (phase === 'paused' && pauses.length > 0) return 'paused';
  return undefined;
}

/** @throws CliError unless what was waited for is there */
function end(verdict: Exit, { id, phase, outcome, because, waitingOn }: Rollout, timeout = 0): void {
  const show = `See why: slipway rollout show ${id}`;
  const hasAll = outcome === null || outcome === 'succeeded' || outcome === 'nothingToDo';
  if (verdict === 'done' && hasAll) return;
  if (verdict === 'done' || verdict === 'endedBadly')
    throw new CliError('endedBadly', `The rollout is ${phase}: ${because}`, show);
  if (verdict === 'paused') throw new CliError('paused', because, `Continue with: slipway rollout resume ${id}`);
  throw new CliError(
    'late',
    `Not within ${timeout / 1_000} s. ${waitingOn ?? because}`,
    `It continues: slipway rollout watch ${id}`,
  );
}

const BAR = 30;

/** On a terminal a picture that is drawn over; elsewhere one line per change. */
class Screen {
  private drawn = 0;
  private before = '';

  constructor(
    private readonly cli: Cli,
    private readonly name: string,
  ) {}

  show(progress: Progress): void {
    const now = this.cli.drawsOver ? this.picture(progress).join('\n') : lineOf(progress);
    if (now === this.before) return;
    this.before = now;
    if (!this.cli.drawsOver) return this.cli.note(now);
    this.clear();
    this.cli.draw(`${now}\n`);
    this.drawn = now.split('\n').length;
  }

  /** A line that stays, above the picture. */
  say(line: string): void {
    this.clear();
    this.cli.note(line);
    this.drawn = 0;
    if (this.cli.drawsOver && this.before !== '') {
      this.cli.draw(`${this.before}\n`);
      this.drawn = this.before.split('\n').length;
    }
  }

  private clear(): void {
    if (this.drawn > 0) this.cli.draw(`\u001b[${this.drawn}A\u001b[J`);
  }

  private picture({ phase, because, waitingOn, groups }: Progress): string[] {
    const columns = this.cli.errColumns;
    const width = Math.max(...groups.map((group) => group.name.length));
    const bar = Math.max(5, Math.min(BAR, Math.floor(columns / 4)));
    return [
      cut(`${this.name}  ${phase}: ${waitingOn ?? because}`, columns - 1),
      ...groups.map(({ name, state, size, counters }) => {
        const done = endedOf(counters);
        const full = size === 0 ? 0 : Math.round((done / size) * bar);
        const bad = counters.failed + counters.rejected + counters.timedOut;
        const shape = `${'█'.repeat(full)}${'░'.repeat(bar - full)}`;
        const text = `  ${done}/${size}  ${state}  ${countersText(counters)}`;
        const head = `${name.padEnd(width)}  `;
        const room = columns - 1 - head.length - bar;
        return `${head}${this.cli.coloured(bad > 0 ? 'red' : 'green', shape)}${cut(text, Math.max(0, room))}`;
      }),
    ];
  }
}

function lineOf({ phase, because, waitingOn, groups }: Progress): string {
  const parts = groups
    .filter(({ state }) => state !== 'pending')
    .map(({ name, state, size, counters }) => `${name} ${endedOf(counters)}/${size} ${state}`);
  return `${phase}  ${parts.join(', ')}${parts.length > 0 ? '  ' : ''}${waitingOn ?? because}`;
}
