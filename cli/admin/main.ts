#!/usr/bin/env node
import { Command, Option } from 'commander';
import { auditRotateKey, auditVerify } from './audit.js';
import { backup } from './backup.js';
import { blobsCopy } from './blobs-copy.js';
import { blobsVerify } from './blobs-verify.js';
import { createContext, type Context, type ExitCode, type StoreName } from './context.js';
import { migrate } from './migrate.js';
import { restore } from './restore.js';
import { roles } from './roles.js';
import { tenantsCreate } from './tenants-create.js';

/**
 * `slipway-admin`: for the operator of a Slipway, on the machine where its settings are. It talks to the database and
 * the blob store, not to the API.
 */
const program = new Command('slipway-admin')
  .description(
    'Schema, backup, restore, blob stores and tenants of a Slipway. It reads the same environment variables as the service (docs/operations.md).',
  )
  .option('--data-dir <folder>', 'the data folder, instead of SLIPWAY_DATA_DIR')
  .addHelpText(
    'after',
    '\nExit codes: 0 done; 1 not done, and why; 2 done as far as possible, and what is lacking was said.',
  );

/** Runs a verb and sets the exit code. What goes wrong is one sentence; with SLIPWAY_LOG_LEVEL=debug also where. */
async function run(verb: (context: Context) => Promise<ExitCode>): Promise<void> {
  try {
    process.exitCode = await verb(createContext(program.opts<{ dataDir?: string }>().dataDir));
  } catch (error) {
    const { message, stack } = error as Error;
    process.stderr.write(`slipway-admin: ${process.env['SLIPWAY_LOG_LEVEL'] === 'debug' ? stack : message}\n`);
    process.exitCode = 1;
  }
}

program
  .command('migrate')
  .description('bring the database schema up to date for this version, while the service runs or not')
  .option('--check', 'say only which migrations are to run; the exit code is 2 where there are any', false)
  .action(({ check }: { check: boolean }) => run((context) => migrate(context, { isCheck: check })));

program
  .command('roles')
  .description('print the SQL that gives each process a login of its own, and the settings with them')
  .option('--create', 'run it first, as the user of DATABASE_URL', false)
  .action(({ create }: { create: boolean }) => run((context) => roles(context, { isCreated: create })));

program
  .command('backup <folder>')
  .description('make a backup into a new folder, while the service runs or not')
  .option('--without-blobs', 'leave the bytes of firmware out: for an S3 bucket that has a backup of its own', false)
  .action((folder: string, options: { withoutBlobs: boolean }) => run((context) => backup(context, folder, options)));

program
  .command('restore <folder>')
  .description('bring a backup back into an empty data folder, or into the empty database of DATABASE_URL')
  .option('--unauthenticated', 'also a backup that SLIPWAY_BACKUP_KEY_FILE does not vouch for', false)
  .action((folder: string, { unauthenticated }: { unauthenticated: boolean }) =>
    run((context) => restore(context, folder, { isUnauthenticated: unauthenticated })),
  );

const store = (flags: string, description: string) =>
  new Option(flags, description).choices(['disk', 's3']).makeOptionMandatory();
const blobs = program.command('blobs').description('the bytes of firmware');
blobs
  .command('copy')
  .description(
    'copy what ready firmware refers to from one store into the other, checked by its hash; may be run again',
  )
  .addOption(store('--from <store>', 'where they are'))
  .addOption(store('--to <store>', 'where they are to be'))
  .option('--thorough', 'also read and check what is there already, instead of its length only', false)
  .action((options: { from: StoreName; to: StoreName; thorough: boolean }) =>
    run((context) => blobsCopy(context, options.from, options.to, options.thorough)),
  );
blobs
  .command('verify')
  .description('read and check every blob in the store in use')
  .option('--heal', 'take damaged bytes away, so that none is served; an upload of the same bytes heals them', false)
  .addOption(new Option('--from <store>', 'with --heal: copy good ones from there').choices(['disk', 's3']))
  .action(({ heal, from }: { heal: boolean; from?: StoreName }) =>
    run((context) => blobsVerify(context, { isWanted: heal, ...(from === undefined ? {} : { from }) })),
  );

program
  .command('tenants')
  .description('who shares this Slipway, without seeing each other')
  .command('create <id>')
  .description('make a tenant, and print its first key')
  .action((id: string) => run((context) => tenantsCreate(context, id)));

const audit = program.command('audit').description('the history of what people did');
audit
  .command('verify')
  .description('check that nothing of it was changed behind the service; names the first entry that was')
  .action(() => run(auditVerify));
audit
  .command('rotate-key')
  .description('make another key sign checkpoints; the old one vouches for it')
  .action(() => run(auditRotateKey));

await program.parseAsync();
