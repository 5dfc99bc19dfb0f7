import { createReadStream, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import type { Command } from 'commander';
import { exportAudit, listAudit, readAuditCheckpoint, readAuditKey, type AuditEntry } from '../../../client/index.js';
import { plural } from '../../../domain/plural.js';
import type { Cli } from '../cli.js';
import { CliError } from '../exit.js';
import { allOf } from '../pages.js';
import type { View } from '../print.js';
import { group, verb, whole } from '../verb.js';

interface Times {
  since?: string;
  until?: string;
}

interface ListOptions extends Times {
  actor?: string;
  action?: string;
  resource?: string;
  limit?: number;
}

/** Who changed what, and the proof of it. */
export function auditVerbs(program: Command): void {
  const audit = group(program, 'audit', 'who changed what, and the proof of it');
  verb<ListOptions>(
    audit,
    {
      usage: 'list',
      says: 'what people did, newest first',
      examples: ['slipway audit list --actor key:ci --limit 20', 'slipway audit list --resource device/0193…'],
    },
    async (cli, _args, { actor, action, resource, since, until, limit }) => {
      const { client } = cli;
      const query = {
        ...(actor && { actor }),
        ...(action && { action }),
        ...(resource && { resource }),
        ...(since && { since }),
        ...(until && { until }),
      };
      await cli.rows(await allOf((page) => listAudit({ client, query: { ...query, ...page } }), limit), ENTRY);
    },
  )
    .option('--actor <actor>', 'comma list, such as key:ci')
    .option('--action <action>', 'comma list, such as rollout.approve')
    .option('--resource <resource>', 'TYPE/ID')
    .option('--since <time>', 'RFC 3339')
    .option('--until <time>', 'RFC 3339')
    .option('--limit <count>', 'at most so many', whole, 50);
  verb<Times & { proof?: boolean }>(
    audit,
    {
      usage: 'export',
      says: 'print it as JSON lines, oldest first; -o does not change that',
      examples: ['slipway audit export --proof > audit.jsonl', 'slipway audit export --since 2030-01-01T00:00:00Z'],
    },
    async (cli, _args, { proof, ...times }) => {
      for await (const chunk of exported(cli, times, proof ? 'proof' : 'entries')) await cli.data(chunk);
    },
  )
    .option('--proof', 'with what proves that nothing was changed (docs/audit.md)')
    .option('--since <time>', 'RFC 3339')
    .option('--until <time>', 'RFC 3339');
  verb<Times & { key?: string; checkpoint?: string }>(
    audit,
    {
      usage: 'verify [file]',
      says: 'check an export with its proof, or the audit of the service, and name the first row that was changed',
      examples: [
        'slipway audit verify',
        'slipway audit verify audit.jsonl --key "$(cat audit-key.txt)" --checkpoint kept.txt',
      ],
    },
    verify,
  )
    .option('--key <key>', 'the verifier key that you kept; by default the one of the service')
    .option('--checkpoint <file>', 'a checkpoint that you kept: what was before it is bound to it');
  verb(
    audit,
    {
      usage: 'checkpoint',
      says: 'print a signed checkpoint, to be kept where this service cannot change it',
      examples: ['slipway audit checkpoint > kept.txt'],
    },
    async (cli) => cli.data(await checkpointOf(cli)),
  );
  verb(
    audit,
    {
      usage: 'key',
      says: 'print the key that verifies checkpoints',
      examples: ['slipway audit key -o id > audit-key.txt'],
    },
    async (cli) => {
      const { data } = await readAuditKey({ client: cli.client });
      await cli.value(data, `${data.verifierKey}\n`, data.verifierKey);
    },
  );
}

const ENTRY: View<AuditEntry> = {
  columns: {
    entry: (e) => e.entry,
    at: (e) => e.at,
    actor: (e) => e.actor,
    action: (e) => e.action,
    resource: (e) => `${e.resource.type}/${e.resource.id}`,
    from: (e) => e.from.address,
  },
  id: (e) => String(e.entry),
};

async function* exported(cli: Cli, { since, until }: Times, form: 'entries' | 'proof'): AsyncGenerator<Uint8Array> {
  const query = { form, ...(since && { since }), ...(until && { until }) };
  yield* (await exportAudit({ client: cli.client, query, parseAs: 'stream' })) as unknown as AsyncIterable<Uint8Array>;
}

async function checkpointOf({ client }: Cli): Promise<string> {
  return await readAuditCheckpoint({ client, parseAs: 'text' });
}

async function verify(
  cli: Cli,
  [file]: readonly string[],
  { key, checkpoint }: { key?: string; checkpoint?: string },
): Promise<void> {
  const { verifyExport } = await import('../audit/verify.js');
  const verifierKey = key ?? (await readAuditKey({ client: cli.client })).data.verifierKey;
  const source =
    file === undefined
      ? Readable.from(exported(cli, {}, 'proof'))
      : file === '-'
        ? process.stdin
        : createReadStream(file);
  const verdict = await verifyExport(createInterface({ input: source, crlfDelay: Infinity }), {
    verifierKey: verifierKey.trim(),
    ...(checkpoint === undefined ? {} : { kept: readFileSync(checkpoint, 'utf8') }),
  });
  const { log, first, last, broken } = verdict;
  const count = plural(last - first + 1, 'entry', 'entries');
  await cli.value(verdict, broken === undefined ? `${log}: ${count} from ${first} on are as they were sealed.\n` : '');
  if (broken === undefined) return;
  const what =
    typeof broken === 'string' ? broken : `entry ${broken.entry} was ${broken.because}; the ones before it are whole`;
  throw new CliError('failed', `${log || (file ?? 'the audit')}: ${what}.`, 'docs/audit.md says how to find out more.');
}
