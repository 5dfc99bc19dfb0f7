import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import {
  cancelFirmwareInstallation,
  createFirmwareInstallation,
  listFirmwareInstallations,
  readFirmwareInstallation,
  releaseFirmwareInstallation,
  retryFirmwareInstallation,
  type FirmwareInstallation,
  type NewFirmwareInstallation,
} from '../../../client/index.js';
import type { Cli } from '../cli.js';
import { CliError } from '../exit.js';
import { allOf } from '../pages.js';
import type { View } from '../print.js';
import { deviceId, firmwareId, installationOf, rolloutId, type InstallationPage } from '../resolve.js';
import { sizeText } from '../text.js';
import { group, span, verb, whole } from '../verb.js';

interface InstallOptions {
  slot: string;
  firmware: string;
  notBefore?: string;
  deadline?: string;
  priority?: number;
  soak?: string;
  hold?: boolean;
  onConflict?: NonNullable<NewFirmwareInstallation['onConflict']>;
  wait?: boolean;
  timeout?: number;
}

interface ListOptions {
  device?: string;
  rollout?: string;
  state?: string;
  slot?: string;
  limit?: number;
}

/** One firmware on one device. */
export function installationVerbs(program: Command): void {
  verb<InstallOptions>(
    program,
    {
      usage: 'install <device>',
      says: 'install a firmware in a slot of one device',
      examples: [
        'slipway install hall --slot firmware --firmware switch@1.5.0',
        'slipway install hall --slot firmware --firmware switch@1.5.0 --wait --timeout 10m',
      ],
    },
    install,
  )
    .requiredOption('--slot <slot>', 'where')
    .requiredOption('--firmware <firmware>', 'what: NAME@VERSION or id')
    .option('--not-before <time>', 'RFC 3339')
    .option('--deadline <time>', 'RFC 3339')
    .option('--priority <number>', 'higher goes first', whole)
    .option('--soak <duration>', 'ISO 8601: how long it has to run before it counts')
    .option('--hold', 'offer it only once it is released')
    .option('--on-conflict <what>', 'where another one is open on the slot: queue, reject or supersede')
    .option('--wait', 'wait until it ends')
    .option('--timeout <duration>', 'with --wait: at most so long (exit code 124)', span);

  const installation = group(program, 'installation', 'installations of firmware on devices');
  verb<ListOptions>(
    installation,
    {
      usage: 'list',
      says: 'list installations, newest first',
      examples: ['slipway installation list --device hall', 'slipway installation list --state failed,timed_out'],
    },
    async (cli, _args, { device, rollout, state, slot, limit = 100 }) => {
      const { client } = cli;
      const query = {
        ...(device && { deviceId: await deviceId(client, device) }),
        ...(rollout && { rolloutId: await rolloutId(client, rollout) }),
        ...(state && { state }),
        ...(slot && { slot }),
      };
      const read = async (page: object) =>
        (await listFirmwareInstallations({ client, query: { ...query, ...page } })) as InstallationPage;
      await cli.rows(await allOf(read, limit), INSTALLATION);
    },
  )
    .option('--device <device>', 'only of this one')
    .option('--rollout <rollout>', 'only of this one')
    .option('--state <states>', 'comma list')
    .option('--slot <slot>', 'only of this slot')
    .option('--limit <count>', 'at most so many', whole, 100);
  verb(
    installation,
    {
      usage: 'show <installation>',
      says: 'show one, with what happened',
      examples: ['slipway installation show 0193…'],
    },
    async (cli, [id = '']) => show(cli, await installationOf(cli.client, id)),
  );
  verb<{ reason?: string }>(
    installation,
    {
      usage: 'cancel <installation>',
      says: 'cancel it, cooperatively first',
      examples: ['slipway installation cancel 0193… --reason "wrong version"'],
    },
    async (cli, [id = ''], { reason }) => {
      const { client } = cli;
      const path = pathOf(await installationOf(client, id));
      const { data } = await cancelFirmwareInstallation({ client, path, body: reason ? { reason } : {} });
      await cli.one(data, INSTALLATION);
    },
  ).option('--reason <text>', 'why');
  verb(
    installation,
    { usage: 'retry <installation>', says: 'try again what ended', examples: ['slipway installation retry 0193…'] },
    async (cli, [id = '']) => {
      const { client } = cli;
      const path = pathOf(await installationOf(client, id));
      await cli.one((await retryFirmwareInstallation({ client, path, body: {} })).data, INSTALLATION);
    },
  );
  verb(
    installation,
    {
      usage: 'release <installation>',
      says: 'let one begin that is held',
      examples: ['slipway installation release 0193…'],
    },
    async (cli, [id = '']) => {
      const { client } = cli;
      const path = pathOf(await installationOf(client, id));
      await cli.one((await releaseFirmwareInstallation({ client, path, body: {} })).data, INSTALLATION);
    },
  );
}

const INSTALLATION: View<FirmwareInstallation> = {
  columns: {
    id: (i) => i.id,
    device: (i) => i.deviceId,
    slot: (i) => i.slot,
    state: (i) => i.state,
    attempt: (i) => i.attempt,
    requested: (i) => i.requestedAt,
    'waiting on': (i) => i.waitingOn ?? (i.error ? `${i.error.code}: ${i.error.message}` : i.rejectReason),
  },
  id: (i) => i.id,
};

function pathOf({ deviceId: device, id }: FirmwareInstallation): { deviceId: string; installationId: string } {
  return { deviceId: device, installationId: id };
}

/** States in which nothing more happens to an installation. */
const OVER: readonly FirmwareInstallation['state'][] = [
  'installed',
  'failed',
  'rejected',
  'canceled',
  'timed_out',
  'superseded',
];
const LOOK_MS = 500;

async function install(cli: Cli, [name = '']: readonly string[], options: InstallOptions): Promise<void> {
  const { client } = cli;
  const device = await deviceId(client, name);
  const { notBefore, deadline, priority, soak, hold, onConflict } = options;
  const { data: created } = await createFirmwareInstallation({
    client,
    path: { deviceId: device },
    body: {
      slot: options.slot,
      firmwareId: await firmwareId(client, options.firmware),
      ...(notBefore && { notBefore }),
      ...(deadline && { deadline }),
      ...(priority !== undefined && { priority }),
      ...(soak && { soak }),
      ...(hold && { gate: 'hold' }),
      ...(onConflict && { onConflict }),
    },
  });
  const ended = options.wait ? await waited(cli, created, options.timeout) : created;
  await cli.one(ended, INSTALLATION);
  if (OVER.includes(ended.state) && ended.state !== 'installed')
    throw new CliError(
      'failed',
      `The installation ended as ${ended.state}${ended.error ? `: ${ended.error.message}` : ''}.`,
      `See what happened: slipway installation show ${ended.id}`,
    );
}

/** Its steps go to standard error. @throws CliError late */
async function waited(cli: Cli, begun: FirmwareInstallation, timeoutMs = Infinity): Promise<FirmwareInstallation> {
  const end = Date.now() + timeoutMs;
  let found = begun;
  for (let shown = ''; ; await sleep(LOOK_MS)) {
    found = (await readFirmwareInstallation({ client: cli.client, path: pathOf(begun) })).data;
    const line = stepOf(found);
    if (line !== shown) cli.note(line);
    shown = line;
    if (OVER.includes(found.state)) return found;
    if (Date.now() >= end)
      throw new CliError(
        'late',
        `It is ${found.state} after ${timeoutMs / 1_000} s. ${found.waitingOn ?? ''}`.trim(),
        `It continues: slipway installation show ${found.id}`,
      );
  }
}

function stepOf({ state, waitingOn, progress }: FirmwareInstallation): string {
  const share = progress ? ` ${sizeText(progress.bytes)} of ${sizeText(progress.total)}` : '';
  return `${state}${share}${waitingOn === null ? '' : `: ${waitingOn}`}`;
}

async function show(cli: Cli, found: FirmwareInstallation): Promise<void> {
  const lines = [
    ...Object.entries(INSTALLATION.columns).map(([name, cell]) => `${name.padEnd(12)}${String(cell(found) ?? '–')}`),
    ...(found.workflowUrl === null ? [] : [`${'process'.padEnd(12)}${found.workflowUrl}`]),
    '',
    ...found.history.map(
      ({ at, event, data }) => `${at}  ${event}${Object.keys(data).length > 0 ? `  ${JSON.stringify(data)}` : ''}`,
    ),
  ];
  await cli.value(found, lines.map((line) => `${line}\n`).join(''), found.id);
}
