import type { Command } from 'commander';
import { follow, listEvents, type HistoryEvent } from '../../../client/index.js';
import type { Cli } from '../cli.js';
import { allOf } from '../pages.js';
import { printValue, type View } from '../print.js';
import { deviceId, rolloutId } from '../resolve.js';
import { verb, whole } from '../verb.js';

interface EventOptions {
  follow?: boolean;
  rollout?: string;
  device?: string;
  event?: string;
  by?: string;
  since?: string;
  until?: string;
  after?: number;
  limit?: number;
}

/** What happened, and what happens. */
export function eventVerbs(program: Command): void {
  verb<EventOptions>(
    program,
    {
      usage: 'events',
      says: 'what happened, oldest first; with --follow what happens, until Ctrl-C',
      examples: [
        'slipway events --rollout "switch 1.5.0" --event pause,resume',
        'slipway events --follow --after 0 -o json',
      ],
    },
    events,
  )
    .option('--follow', 'print what happens, as it happens; -o json is one line each')
    .option('--rollout <rollout>', 'only of this one')
    .option('--device <device>', 'only of this one')
    .option('--event <events>', 'comma list')
    .option('--by <who>', 'comma list, such as operator:key:ci')
    .option('--since <time>', 'RFC 3339')
    .option('--until <time>', 'RFC 3339')
    .option('--after <number>', 'with --follow: begin behind this entry of the history', whole)
    .option('--limit <count>', 'the newest so many', whole, 50);
}

const EVENT: View<HistoryEvent> = {
  columns: {
    number: (e) => e.number,
    at: (e) => e.at,
    event: (e) => e.event,
    device: (e) => e.deviceId,
    rollout: (e) => e.rolloutId,
    by: (e) => byOf(e),
  },
  id: (e) => String(e.number),
};

function byOf({ data }: HistoryEvent): string | undefined {
  return typeof data['by'] === 'string' ? data['by'] : undefined;
}

async function events(cli: Cli, _args: readonly string[], options: EventOptions): Promise<void> {
  const { client } = cli;
  const { rollout, device, event, by, since, until, limit } = options;
  const wanted = {
    ...(rollout && { rolloutId: await rolloutId(client, rollout) }),
    ...(device && { deviceId: await deviceId(client, device) }),
    ...(event && { event }),
    ...(by && { by }),
  };
  if (options.follow) return followed(cli, wanted, options.after);
  const query = { ...wanted, order: 'desc' as const, ...(since && { since }), ...(until && { until }) };
  const found = await allOf((page) => listEvents({ client, query: { ...query, ...page } }), limit);
  await cli.rows(found.reverse(), EVENT);
}

interface Wanted {
  rolloutId?: string;
  deviceId?: string;
  event?: string;
  by?: string;
}

/** A stream has everything of the tenant; what is not wanted is left out here. */
async function followed(cli: Cli, wanted: Wanted, after: number | undefined): Promise<void> {
  const has = (list: string | undefined, value: string | undefined) =>
    list === undefined || (value !== undefined && list.split(',').includes(value));
  for await (const frame of follow(cli.client, {
    path: '/v1/events',
    ...(after === undefined ? {} : { after }),
    onAway: ({ message }, ms) => cli.note(`The API does not answer (${message}); trying again in ${ms / 1_000} s.`),
  })) {
    const one = frame.data as HistoryEvent;
    if (!has(wanted.rolloutId, one.rolloutId) || !has(wanted.deviceId, one.deviceId)) continue;
    if (!has(wanted.event, one.event) || !has(wanted.by, byOf(one))) continue;
    await cli.data(await lineOf(cli, one));
  }
}

async function lineOf({ globals: { output } }: Cli, one: HistoryEvent): Promise<string> {
  if (output === 'json') return `${JSON.stringify(one)}\n`;
  if (output === 'yaml') return `---\n${await printValue(one, 'yaml')}`;
  if (output === 'id') return `${one.number}\n`;
  const cells = Object.values(EVENT.columns).flatMap((cell) => cell(one) ?? []);
  return `${cells.join('  ')}\n`;
}
