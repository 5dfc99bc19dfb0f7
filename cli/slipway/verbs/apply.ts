import { createInterface } from 'node:readline/promises';
import type { Command } from 'commander';
import { SlipwayError } from '../../../client/index.js';
import type { Kind } from '../apply/documents.js';
import type { WholePlan } from '../apply/plan.js';
import type { Secrets } from '../apply/secrets.js';
import type { Step } from '../apply/step.js';
import type { Cli } from '../cli.js';
import { CliError, explain } from '../exit.js';
import { placed } from '../plan-file.js';
import { verb } from '../verb.js';

interface ApplyOptions {
  file: string;
  dryRun?: boolean;
  prune?: boolean | string;
  secrets?: string;
  setSecrets?: boolean;
  yes?: boolean;
}

/** `slipway apply`: what stands in files is what the service has. */
export function applyVerbs(program: Command): void {
  verb<ApplyOptions>(
    program,
    {
      usage: 'apply',
      says: 'bring types, associations, templates, webhooks and settings to what files say',
      examples: [
        'slipway apply -f fleet --dry-run',
        'slipway apply -f fleet --prune --secrets ~/.fleet-secrets',
        'slipway apply -f fleet --prune=webhook,template --yes',
      ],
    },
    apply,
  )
    .requiredOption('-f, --file <folder>', 'a folder of YAML and JSON files, or one file')
    .option('--dry-run', 'show what would change, and change nothing')
    .option('--prune [kinds]', 'delete what is not in the files, of the kinds that they hold or that are named')
    .option('--secrets <folder>', 'holds secrets by name, and gets those that the service makes')
    .option('--set-secrets', 'send secrets that the service has already')
    .option('--yes', 'do not ask before something is deleted');
}

/** What became of a step. */
type Fate = 'planned' | 'done' | 'failed' | 'not done';

async function apply(cli: Cli, _args: readonly string[], options: ApplyOptions): Promise<void> {
  const { readDocuments } = await import('../apply/documents.js');
  const { planAll } = await import('../apply/plan.js');
  const { Secrets: Holder } = await import('../apply/secrets.js');
  const documents = await readDocuments(options.file);
  const secrets = new Holder(options.secrets, cli.env);
  const kinds = new Set(documents.map(({ kind }) => kind));
  const plan = await planAll({
    client: cli.client,
    secrets,
    documents,
    pruned: await prunedKinds(options.prune, kinds),
    setsSecrets: options.setSecrets ?? false,
  });
  for (const note of plan.notes) cli.note(note);
  if (plan.surplus.length > 0)
    cli.note(`Not in the files: ${plan.surplus.map(({ name }) => name).join(', ')}. --prune deletes these.`);
  const fates = new Map<Step, Fate>(plan.steps.map((step) => [step, 'planned']));
  const isOver = options.dryRun === true || plan.steps.length === 0;
  if (isOver || cli.globals.output === 'table') await cli.value(valueOf(fates), planText(plan));
  if (isOver) return;
  await mayDelete(cli, plan, options.yes ?? false);
  const fault = await run(cli, fates, secrets);
  if (cli.globals.output !== 'table') await cli.value(valueOf(fates), '');
  if (fault !== undefined) throw fault;
  cli.note(`Done: ${plan.steps.length} of ${plan.steps.length}.`);
}

/** `--prune` alone: the kinds of which there are files. A folder without webhooks says nothing of webhooks. */
async function prunedKinds(given: boolean | string | undefined, inFiles: ReadonlySet<Kind>): Promise<Set<Kind>> {
  if (given === undefined || given === false) return new Set();
  if (given === true) return new Set(inFiles);
  const { KINDS } = await import('../apply/documents.js');
  const known: readonly Kind[] = KINDS.filter((kind) => kind !== 'settings');
  const named = given.split(',');
  const strange = named.find((one) => !(known as readonly string[]).includes(one));
  if (strange !== undefined)
    throw new CliError('usage', `--prune ${strange} is none of ${known.join(', ')}.`, '--help has an example.');
  return new Set([...inFiles, ...(named as Kind[])]);
}

const SIGNS = { create: '+', change: '~', delete: '-' } as const;

function planText({ steps, same }: WholePlan): string {
  if (steps.length === 0) return `Nothing to do: ${same} ${same === 1 ? 'is' : 'are'} as the files say.\n`;
  const count = (action: Step['action']) => steps.filter((step) => step.action === action).length;
  const blocks = steps.map(({ action, name, lines }) =>
    [`${SIGNS[action]} ${name}`, ...lines.map((line) => `    ${line}`), ''].join('\n'),
  );
  const figures = `${count('create')} to create, ${count('change')} to change, ${count('delete')} to delete`;
  return `${blocks.join('')}Plan: ${figures}; ${same} as the files say.\n`;
}

function valueOf(fates: ReadonlyMap<Step, Fate>): unknown {
  return [...fates].map(([{ action, kind, name, lines }, state]) => ({ action, kind, name, changes: lines, state }));
}

/** Shown it was. A person at a terminal is asked; a script said it by `--prune`. */
async function mayDelete(cli: Cli, { steps }: WholePlan, isSure: boolean): Promise<void> {
  const gone = steps.filter(({ action }) => action === 'delete').length;
  if (gone === 0 || isSure || !cli.isInteractive) return;
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const said = await terminal.question(`Delete ${gone} of them? Type yes: `);
    if (said.trim() !== 'yes') throw new CliError('failed', 'Canceled; nothing was changed.');
  } finally {
    terminal.close();
  }
}

/** One after the other; what was done stays. @returns the fault that ended it */
async function run(cli: Cli, fates: Map<Step, Fate>, secrets: Secrets): Promise<CliError | undefined> {
  const steps = [...fates.keys()];
  for (const [at, step] of steps.entries()) {
    try {
      const remark = await step.run();
      fates.set(step, 'done');
      cli.note(`${DONE[step.action]} ${step.name}${remark === undefined ? '' : `. ${remark}`}`);
    } catch (error) {
      if (!(error instanceof SlipwayError || error instanceof CliError || (error as Error).name === 'Error'))
        throw error;
      const left = steps.slice(at + 1);
      fates.set(step, 'failed');
      for (const one of left) fates.set(one, 'not done');
      return faultOf(step, error, at, left, secrets);
    }
  }
  return undefined;
}

const DONE = { create: 'created', change: 'changed', delete: 'deleted' } as const;

function faultOf(step: Step, error: unknown, done: number, left: readonly Step[], secrets: Secrets): CliError {
  const { exit, message, faults, next } = explain(step.file === undefined ? error : placed(step.file, error));
  const said = [`${step.name}: ${message}`, ...faults.map((fault) => `  ${fault}`)].join('\n');
  const rest = left.length === 0 ? '' : ` Not done, too: ${left.map(({ name }) => name).join(', ')}.`;
  const stays = `${done} of ${done + 1 + left.length} were done, and stay.${rest} Then run it again: it does what is left.`;
  return new CliError(exit, secrets.hidden(said), `${next}\n${secrets.hidden(stays)}`);
}
