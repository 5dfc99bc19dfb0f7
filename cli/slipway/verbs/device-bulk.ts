import { openAsBlob } from 'node:fs';
import type { Command } from 'commander';
import { actOnDevices, exportDevices, importDevices, type BulkAction } from '../../../client/index.js';
import type { Cli } from '../cli.js';
import { CliError } from '../exit.js';
import { followJob } from '../jobs.js';
import { group, verb } from '../verb.js';

interface ImportOptions {
  onConflict?: 'fail' | 'skip' | 'update';
  dryRun?: boolean;
  wait?: boolean;
}

interface ActOptions {
  filter: string;
  tag?: string;
  key?: string;
  value?: string;
  reason?: string;
  force?: boolean;
  dryRun?: boolean;
  wait?: boolean;
}

/** Many devices at once: each is a job. */
export function bulkVerbs(device: Command): void {
  verb<ImportOptions>(
    device,
    {
      usage: 'import <file>',
      says: 'register or change devices from JSON lines or CSV',
      examples: [
        'slipway device import devices.csv --dry-run',
        'slipway device import devices.jsonl --on-conflict update',
      ],
    },
    importFile,
  )
    .option('--on-conflict <what>', 'of devices that are there: fail, skip or update')
    .option('--dry-run', 'check the file, and write nothing')
    .option('--no-wait', 'end once the job has begun');
  verb<{ filter?: string }>(
    device,
    {
      usage: 'export',
      says: 'print devices as JSON lines, as import reads them; -o does not change that',
      examples: ["slipway device export --filter 'tag==north' > north.jsonl"],
    },
    async (cli, _args, { filter }) => {
      const { client } = cli;
      const body = (await exportDevices({
        client,
        query: filter ? { filter } : {},
        parseAs: 'stream',
      })) as unknown as AsyncIterable<Uint8Array>;
      for await (const chunk of body) await cli.data(chunk);
    },
  ).option('-f, --filter <filter>', 'RSQL (docs/filters.md)');

  const act = group(device, 'act', 'do the same to all devices that match a filter');
  const kinds: [BulkAction['action'], string, string, string][] = [
    ['tag', 'add a tag', '--tag audited', 'tag'],
    ['untag', 'remove a tag', '--tag spare', 'untag'],
    ['setAttribute', 'set an attribute', '--key floor --value 2', 'set-attribute'],
    ['cancel', 'cancel their open installations', '--reason "wrong version"', 'cancel'],
    ['retry', 'retry what failed last', '', 'retry'],
    ['delete', 'delete them', '--dry-run', 'delete'],
  ];
  for (const [action, says, options, name] of kinds) {
    const command = verb<ActOptions>(
      act,
      { usage: name, says, examples: [`slipway device act ${name} -f 'tag==north' ${options}`.trim()] },
      async (cli, _args, given) => actOn(cli, action, given),
    )
      .requiredOption('-f, --filter <filter>', 'RSQL (docs/filters.md)')
      .option('--dry-run', 'count the devices, and change nothing')
      .option('--no-wait', 'end once the job has begun');
    if (action === 'tag' || action === 'untag') command.requiredOption('--tag <tag>', 'the tag');
    if (action === 'setAttribute')
      command.requiredOption('--key <name>', 'its name').requiredOption('--value <value>', 'JSON, or text');
    if (action === 'cancel') command.option('--reason <text>', 'why');
    if (action === 'delete') command.option('--force', 'cancel their open installations');
  }
}

async function importFile(
  cli: Cli,
  [file = '']: readonly string[],
  { onConflict, dryRun, wait = true }: ImportOptions,
): Promise<void> {
  const { client } = cli;
  const type = /\.csv$/i.test(file) ? 'text/csv' : 'application/x-ndjson';
  const { data: job } = await importDevices({
    client,
    body: await openAsBlob(file, { type }),
    headers: { 'content-type': type },
    query: { ...(onConflict && { onConflict }), ...(dryRun && { dryRun }) },
  });
  await followJob(cli, job, wait);
}

async function actOn(cli: Cli, action: BulkAction['action'], options: ActOptions): Promise<void> {
  const { filter, tag, key, value, reason, force, dryRun, wait = true } = options;
  if (filter.trim() === '')
    throw new CliError('usage', 'An empty filter would mean every device.', "To mean that, say so: -f 'name==*'");
  const body: BulkAction = {
    action,
    filter,
    ...(tag && { tag }),
    ...(key && { key }),
    ...(value !== undefined && { value: valueOf(value) }),
    ...(reason && { reason }),
    ...(force && { force }),
    ...(dryRun && { dryRun }),
  };
  const { data: job } = await actOnDevices({ client: cli.client, body });
  await followJob(cli, job, wait);
}

function valueOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return text;
    throw error;
  }
}
