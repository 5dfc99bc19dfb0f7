import type { Command } from 'commander';
import { exportDevices, listDeviceTypes, listFirmwares, type Client } from '../../../client/index.js';
import { plural } from '../../../domain/plural.js';
import type { Cli } from '../cli.js';
import { CliError } from '../exit.js';
import type { Present, Tally } from '../hawkbit/carry-out.js';
import type { ImportPlan } from '../hawkbit/plan.js';
import { allOf } from '../pages.js';
import type { View } from '../print.js';
import { group, verb } from '../verb.js';

interface HawkbitOptions {
  url: string;
  user: string;
  passwordFile?: string;
  type: string;
  dryRun?: boolean;
}

/** Lines of what could not be taken over; the rest is counted. */
const MOST_LINES = 50;

/** Taking over from other servers. */
export function importVerbs(program: Command): void {
  const from = group(program, 'import', 'take over from another update server');
  verb<HawkbitOptions>(
    from,
    {
      usage: 'hawkbit',
      says: 'read devices, tags, attributes, software and tokens from a hawkBit, and make them here; can be repeated',
      examples: [
        'slipway import hawkbit --url https://hawkbit.example.com --user admin --dry-run',
        'slipway import hawkbit --url https://hawkbit.example.com --user admin --password-file hawkbit.txt',
      ],
    },
    importHawkbit,
  )
    .requiredOption('--url <url>', 'where hawkBit is')
    .requiredOption('--user <name>', 'who reads there; HAWKBIT_PASSWORD or --password-file has the password')
    .option('--password-file <file>', 'a file that holds the password; - is standard input')
    .option('--type <type>', 'the name of the device type for targets that have no type', 'hawkBit')
    .option('--dry-run', 'say what would be made, and write nothing');
}

async function importHawkbit(cli: Cli, _args: readonly string[], options: HawkbitOptions): Promise<void> {
  const { ManagementApi } = await import('../hawkbit/management.js');
  const { readHawkbit } = await import('../hawkbit/found.js');
  const { planImport } = await import('../hawkbit/plan.js');
  const { CarryOut } = await import('../hawkbit/carry-out.js');
  if (!URL.canParse(options.url)) throw new CliError('usage', `${options.url} is not an address.`);
  const api = new ManagementApi(options.url, options.user, await passwordOf(cli, options));
  // What is here is read first: where this service is away, hawkBit need not be asked for minutes.
  const present = await presentIn(cli.client);
  const plan = planImport(await readHawkbit(api, (line) => cli.note(line)), options.type);
  if (options.dryRun === true) {
    await cli.rows(forecast(plan, present), FORECAST);
    return tell(cli, plan.remarks);
  }
  const work = new CarryOut(cli, api, present);
  const types = await work.types(plan.types);
  const firmwares = await work.firmwares(plan.firmwares);
  await work.associations(plan.types, types, firmwares);
  await work.devices(plan.devices, types);
  await work.tokens(plan.devices, (await presentIn(cli.client)).devices);
  await cli.rows(work.tallies, TALLY);
  tell(cli, [...plan.remarks, ...work.faults]);
  const failed = work.tallies.reduce((sum, one) => sum + one.failed, 0);
  if (failed > 0)
    throw new CliError(
      'failed',
      `${failed} of them were refused; the rest is here.`,
      'Correct them in hawkBit, and repeat.',
    );
}

async function passwordOf(cli: Cli, { user, url, passwordFile }: HawkbitOptions): Promise<string> {
  const { readKey, askKey } = await import('../sign-in.js');
  if (passwordFile !== undefined) return readKey(passwordFile);
  const given = cli.env['HAWKBIT_PASSWORD'];
  if (given) return given;
  if (cli.isInteractive) return askKey(`${user} at ${url}`);
  throw new CliError('usage', 'There is no password, and no terminal to ask for one.', 'Set HAWKBIT_PASSWORD.');
}

async function presentIn(client: Client): Promise<Present> {
  const firmwares = await allOf((query) => listFirmwares({ client, query: { ...query, state: 'ready' } }));
  const types = await allOf((query) => listDeviceTypes({ client, query }));
  const devices = new Map<string, string>();
  const body = (await exportDevices({ client, parseAs: 'stream' })) as unknown as AsyncIterable<Uint8Array>;
  let text = '';
  const decoder = new TextDecoder();
  for await (const chunk of body) {
    const lines = (text + decoder.decode(chunk, { stream: true })).split('\n');
    text = lines.pop() ?? '';
    for (const line of lines) noteAliases(devices, line);
  }
  noteAliases(devices, text);
  return { types, firmwares, devices };
}

function noteAliases(devices: Map<string, string>, line: string): void {
  if (line === '') return;
  const { id, info } = JSON.parse(line) as { id: string; info: { aliases?: string[] } };
  for (const alias of info.aliases ?? []) devices.set(alias, id);
}

interface Forecast {
  readonly kind: Tally['kind'];
  readonly found: number;
  readonly there: number;
}

function forecast({ types, firmwares, devices }: ImportPlan, present: Present): Forecast[] {
  const names = new Set(present.types.map(({ name }) => name));
  const versions = new Set(present.firmwares.map(({ name, version }) => `${name}@${version ?? ''}`));
  const row = (kind: Tally['kind'], all: readonly boolean[]): Forecast => ({
    kind,
    found: all.length,
    there: all.filter(Boolean).length,
  });
  return [
    row(
      'device types',
      types.map(({ name }) => names.has(name)),
    ),
    row(
      'firmwares',
      firmwares.map(({ name, version }) => versions.has(`${name}@${version}`)),
    ),
    row(
      'devices',
      devices.map(({ controllerId }) => present.devices.has(controllerId)),
    ),
    { kind: 'tokens', found: devices.filter(({ token }) => token !== undefined).length, there: 0 },
  ];
}

const FORECAST: View<Forecast> = {
  columns: { what: (f) => f.kind, 'in hawkBit': (f) => f.found, 'here already': (f) => f.there },
  id: (f) => f.kind,
};

const TALLY: View<Tally> = {
  columns: { what: (t) => t.kind, made: (t) => t.made, 'here already': (t) => t.there, refused: (t) => t.failed },
  id: (t) => t.kind,
};

function tell(cli: Cli, sentences: readonly string[]): void {
  for (const sentence of sentences.slice(0, MOST_LINES)) cli.note(sentence);
  const more = sentences.length - MOST_LINES;
  if (more > 0) cli.note(`… and ${plural(more, 'further line')}.`);
}
