import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { CliError } from '../exit.js';
import { readPlans, type PlanFile } from '../plan-file.js';

/** What files of `slipway apply` hold, in the order in which they are applied. */
export const KINDS = ['type', 'association', 'template', 'webhook', 'settings'] as const;
/** One of KINDS. */
export type Kind = (typeof KINDS)[number];

/** One document: its kind, and the members of what it describes. */
export interface Wanted {
  readonly kind: Kind;
  readonly body: Readonly<Record<string, unknown>>;
  /** For the places of faults. */
  readonly file: PlanFile;
}

/** Members by kind that this side reads; of types and templates the API checks each. */
const OWN: Readonly<Partial<Record<Kind, { needed: readonly string[]; known: readonly string[] }>>> = {
  association: { needed: ['type', 'slot', 'firmwares'], known: ['type', 'slot', 'firmwares'] },
  webhook: { needed: ['url'], known: ['url', 'events', 'description', 'enabled', 'secret'] },
  settings: { needed: ['hawkbit'], known: ['hawkbit'] },
};
const NAMED = { needed: ['name'], known: undefined };

/**
 * Reads the `.yaml`, `.yml` and `.json` files of a folder and of those below it, by name; or one file.
 * @throws CliError usage, with each fault at its place
 */
export async function readDocuments(path: string): Promise<Wanted[]> {
  const files = statSync(path).isDirectory() ? filesBelow(path) : [path];
  const plans = (await Promise.all(files.map(readPlans))).flat();
  if (plans.length === 0)
    throw new CliError('usage', `${path} holds no YAML or JSON.`, 'docs/cli.md shows what such files look like.');
  const faults = plans.flatMap(faultsOf);
  const wanted = faults.length > 0 ? [] : plans.map(documentOf);
  const all = [...faults, ...doubles(wanted)];
  if (all.length === 0) return wanted;
  const lines = all.map((line) => `\n  ${line}`).join('');
  throw new CliError('usage', `these files cannot be applied${lines}`, 'docs/cli.md shows what such files look like.');
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      // `.git` and the like are no part of it.
      if (entry.name.startsWith('.')) return [];
      if (entry.isDirectory()) return filesBelow(path);
      return /\.(ya?ml|json)$/.test(entry.name) ? [path] : [];
    });
}

function documentOf(file: PlanFile): Wanted {
  const { kind, ...body } = file.value;
  return { kind: kind as Kind, body, file };
}

function faultsOf({ value, placeOf }: PlanFile): string[] {
  const { kind, ...body } = value;
  if (!KINDS.includes(kind as Kind)) return [`${placeOf('/kind')} /kind is none of ${KINDS.join(', ')}`];
  const { needed, known } = OWN[kind as Kind] ?? NAMED;
  const missing = needed.filter((name) => body[name] === undefined);
  const strange = known === undefined ? [] : Object.keys(body).filter((name) => !known.includes(name));
  const odd = needed.filter((name) => !missing.includes(name) && !isAsExpected(name, body[name]));
  return [
    ...missing.map((name) => `${placeOf('')} /${name} is missing`),
    ...strange.map((name) => `${placeOf(`/${name}`)} /${name} is not known`),
    ...odd.map((name) => `${placeOf(`/${name}`)} /${name} is not what it has to be`),
  ];
}

function isAsExpected(name: string, value: unknown): boolean {
  if (name === 'firmwares') return Array.isArray(value) && value.every((one) => typeof one === 'string');
  if (name === 'hawkbit') return typeof value === 'object' && value !== null && !Array.isArray(value);
  return typeof value === 'string' && value !== '';
}

/** Two documents of one thing would undo each other. */
function doubles(all: readonly Wanted[]): string[] {
  const seen = new Map<string, Wanted>();
  return all.flatMap((one) => {
    const name = nameOf(one);
    const before = seen.get(name);
    if (before !== undefined) return [`${one.file.placeOf('')} ${name} stands in ${before.file.placeOf('')}, too`];
    seen.set(name, one);
    return [];
  });
}

/** What a document is called in the plan: `type "Light switch"`. */
export function nameOf({ kind, body }: Wanted): string {
  if (kind === 'settings') return 'settings';
  if (kind === 'association') return `association of "${String(body['type'])}" ${String(body['slot'])}`;
  return kind === 'webhook' ? `webhook ${String(body['url'])}` : `${kind} "${String(body['name'])}"`;
}
