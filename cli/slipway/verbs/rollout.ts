import type { Command } from 'commander';
import {
  createRollout,
  deleteRollout,
  listRolloutDevices,
  listRollouts,
  readRollout,
  simulateRollout,
  type NewRollout,
  type NewRolloutSimulation,
  type Rollout,
  type RolloutSimulation,
  type RolloutTarget,
} from '../../../client/index.js';
import type { Cli } from '../cli.js';
import { CliError } from '../exit.js';
import { allOf } from '../pages.js';
import { sendPlan } from '../plan-file.js';
import type { View } from '../print.js';
import { deviceId, rolloutId, stepsWithIds, templateId, type PlanStep } from '../resolve.js';
import { forecastText, ROLLOUT, rolloutText } from '../rollout-text.js';
import { group, verb, whole } from '../verb.js';
import { rolloutCommandVerbs } from './rollout-commands.js';
import { diffVerb } from './rollout-diff.js';
import { watchVerb } from './rollout-watch.js';

interface PlanOptions {
  file?: string;
  name?: string;
  slot?: string;
  firmware?: string;
  filter?: string;
  template?: string;
}

/** A firmware to many devices. */
export function rolloutVerbs(program: Command): void {
  const rollout = group(program, 'rollout', 'a firmware to many devices: in groups, at a pace, behind gates');
  planned(
    verb<PlanOptions & { dryRun?: boolean }>(
      rollout,
      {
        usage: 'create',
        says: 'make a rollout, as a draft',
        examples: [
          'slipway rollout create -f plan.yaml --dry-run',
          'slipway rollout create -f plan.yaml -o id',
          `slipway rollout create --name "switch 1.5.0" --slot firmware --firmware switch@1.5.0 --filter 'tag==north'`,
        ],
      },
      async (cli, _args, { dryRun, ...options }) => (dryRun ? forecast(cli, options) : create(cli, options)),
    ).option('--dry-run', 'forecast it, and make nothing'),
  );
  planned(
    verb<PlanOptions & { seed?: number }>(
      rollout,
      {
        usage: 'simulate [rollout]',
        says: 'forecast a plan, or a rollout that is there',
        examples: ['slipway rollout simulate -f plan.yaml', 'slipway rollout simulate "switch 1.5.0"'],
      },
      async (cli, [name], { seed, ...options }) => forecast(cli, options, seed, name),
    ).option('--seed <number>', 'the same seed gives the same forecast', whole),
  );
  verb<{ phase?: string; search?: string; limit?: number }>(
    rollout,
    { usage: 'list', says: 'list rollouts, newest first', examples: ['slipway rollout list --phase running,paused'] },
    async (cli, _args, { phase, search, limit = 100 }) => {
      const { client } = cli;
      const query = { ...(phase && { phase }), ...(search && { q: search }) };
      await cli.rows(await allOf((page) => listRollouts({ client, query: { ...query, ...page } }), limit), ROLLOUT);
    },
  )
    .option('--phase <phases>', 'comma list')
    .option('-q, --search <text>', 'only with this in their names')
    .option('--limit <count>', 'at most so many', whole, 100);
  verb(
    rollout,
    {
      usage: 'show <rollout>',
      says: 'how it stands: groups, gates, failures, and what it waits for',
      examples: ['slipway rollout show "switch 1.5.0"'],
    },
    async (cli, [name = '']) => {
      const found = await read(cli, name);
      await cli.value(found, rolloutText(found), found.id);
    },
  );
  verb<{ state?: string; group?: string; limit?: number }>(
    rollout,
    {
      usage: 'devices <rollout>',
      says: 'its devices, each with its state and why',
      examples: ['slipway rollout devices "switch 1.5.0" --state failed,timedOut'],
    },
    async (cli, [name = ''], { state, group: one, limit }) => {
      const { client } = cli;
      const path = { id: await rolloutId(client, name) };
      const query = { ...(state && { state }), ...(one && { group: one }) };
      const pages = (page: object) => listRolloutDevices({ client, path, query: { ...query, ...page } });
      await cli.rows(await allOf(pages, limit), TARGET);
    },
  )
    .option('--state <states>', 'comma list')
    .option('--group <group>', 'only of this group')
    .option('--limit <count>', 'at most so many', whole);
  rolloutCommandVerbs(rollout);
  watchVerb(rollout);
  diffVerb(rollout);
  verb(
    rollout,
    {
      usage: 'delete <rollout>',
      says: 'delete a draft, or one that has ended',
      examples: ['slipway rollout delete "switch 1.5.0"'],
    },
    async (cli, [name = '']) => {
      const { client } = cli;
      await deleteRollout({ client, path: { id: await rolloutId(client, name) } });
      cli.note(`Rollout ${name} is deleted.`);
    },
  );
}

const TARGET: View<RolloutTarget> = {
  columns: {
    device: (t) => t.deviceId,
    group: (t) => t.group,
    state: (t) => t.state,
    attempt: (t) => t.attempt,
    installation: (t) => t.installationId,
    because: (t) => t.because ?? t.rollBack?.because,
  },
  id: (t) => t.deviceId,
};

function planned(command: Command): void {
  command
    .option('-f, --file <file>', 'the plan, as YAML or JSON; - is standard input')
    .option('--name <name>', 'its name')
    .option('--slot <slot>', 'the slot')
    .option('--firmware <firmware>', 'NAME@VERSION or id')
    .option('--filter <filter>', 'to which devices (docs/filters.md)')
    .option('--template <template>', 'what the plan does not say comes from it');
}

async function read(cli: Cli, name: string): Promise<Rollout> {
  const { client } = cli;
  return (await readRollout({ client, path: { id: await rolloutId(client, name) } })).data;
}

async function create(cli: Cli, options: PlanOptions): Promise<void> {
  const { client } = cli;
  const { data } = await sent<NewRollout, { data: Rollout }>(cli, options, (body) => createRollout({ client, body }));
  await cli.value(data, rolloutText(data), data.id);
  cli.note(`A draft. Start it: slipway rollout start ${data.id}`);
}

async function forecast(cli: Cli, options: PlanOptions, seed?: number, name?: string): Promise<void> {
  const { client } = cli;
  const simulate = (body: NewRolloutSimulation) =>
    simulateRollout({ client, body: { ...body, ...(seed === undefined ? {} : { seed }) } });
  const { data }: { data: RolloutSimulation } =
    name === undefined ? await sent(cli, options, simulate) : await simulate(planOf(await read(cli, name)));
  await cli.value(data, forecastText(data));
}

/** What was asked for when it was made: without what only an answer has. */
function planOf(rollout: Rollout): NewRolloutSimulation {
  const { name, description, steps, targets, pace, stopIf, schedule, retry, timeouts, confirm } = rollout;
  const { onConflict, priority, approval, allowDowngrade, groups } = rollout;
  const plan = { name, description, steps, targets, pace, stopIf, retry, timeouts, confirm, onConflict, priority };
  return withoutNull({
    ...plan,
    schedule,
    approval,
    allowDowngrade,
    groups: groups.map(({ name: own, percent, count, filter, soak, gate, approval: votes }) => ({
      name: own,
      percent,
      count,
      filter,
      soak,
      gate: {
        minSuccess: gate.minSuccess,
        minSample: gate.minSample,
        maxFailureRate: gate.maxFailureRate,
        confidence: gate.confidence,
      },
      approval: votes && { required: votes.required, expiresAfter: votes.expiresAfter, onExpiry: votes.onExpiry },
    })),
  }) as NewRolloutSimulation;
}

function withoutNull(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNull);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, inner]) =>
      inner === null || inner === undefined ? [] : [[key, withoutNull(inner)]],
    ),
  );
}

/** The plan of the file, with what the options say; names of firmware, devices and a template become ids. */
async function sent<Body, Answer>(
  cli: Cli,
  options: PlanOptions,
  send: (body: Body) => Promise<Answer>,
): Promise<Answer> {
  const { file } = options;
  if (file !== undefined) return sendPlan<Body, Answer>(file, send, (value) => filledIn(cli, value, options));
  if (options.template === undefined && (options.firmware === undefined || options.filter === undefined))
    throw new CliError(
      'usage',
      'There is no plan: name a file, or --name, --slot, --firmware and --filter.',
      'For example: slipway rollout create -f plan.yaml',
    );
  return send((await filledIn(cli, {}, options)) as Body);
}

async function filledIn(
  { client }: Cli,
  plan: Readonly<Record<string, unknown>>,
  { name, slot, firmware, filter, template }: PlanOptions,
): Promise<object> {
  const targets = { ...(plan['targets'] as object | undefined), ...(filter === undefined ? {} : { filter }) };
  const given = (plan['steps'] as PlanStep[] | undefined) ?? [];
  const asked =
    slot === undefined && firmware === undefined
      ? given
      : [{ ...given[0], ...(slot && { slot }), ...(firmware && { firmwareId: firmware }) }];
  const steps = await stepsWithIds(client, asked);
  const devices = (targets as { deviceIds?: unknown }).deviceIds;
  const deviceIds =
    Array.isArray(devices) && devices.every((one) => typeof one === 'string')
      ? await Promise.all(devices.map((one) => deviceId(client, one)))
      : devices;
  const from = template ?? plan['templateId'];
  return {
    ...plan,
    ...(name && { name }),
    ...(plan['steps'] === undefined && steps.length === 0 ? {} : { steps }),
    ...(Object.keys(targets).length === 0
      ? {}
      : { targets: { ...targets, ...(deviceIds === undefined ? {} : { deviceIds }) } }),
    ...(typeof from === 'string' ? { templateId: await templateId(client, from) } : {}),
  };
}
