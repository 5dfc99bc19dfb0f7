import {
  createRolloutTemplate,
  deleteRolloutTemplate,
  listRolloutTemplates,
  type Client,
  type NewRolloutTemplate,
  type RolloutTemplate,
} from '../../../client/index.js';
import { allOf } from '../pages.js';
import { stepsWithIds, type PlanStep } from '../resolve.js';
import { bare, differenceLines, differences, without } from './compare.js';
import { nameOf, type Wanted } from './documents.js';
import { orFault, type Around, type Planned, type Step } from './step.js';

/**
 * Templates by their names. The API keeps them as they were made: one that is to be another is made anew, and the one
 * before it goes afterwards, so that there is one at each moment.
 */
export async function planTemplates({ client, documents }: Around): Promise<Planned> {
  const existing = await allOf((query) => listRolloutTemplates({ client, query }));
  const wanted = documents.filter(({ kind }) => kind === 'template');
  const faults: string[] = [];
  const steps: Step[] = [];
  for (const document of wanted) {
    const body = await withIds(client, document, faults);
    const step = body && stepFor(client, document, body, existing);
    if (step) steps.push(step);
  }
  const names = new Set(wanted.map(({ body }) => body['name']));
  const surplus = existing
    .filter(({ name }) => !names.has(name))
    .map(({ id, name }): Step => ({
      action: 'delete',
      kind: 'template',
      name: `template "${name}"`,
      lines: [],
      run: async () => void (await deleteRolloutTemplate({ client, path: { id } })),
    }));
  return { steps, surplus, same: wanted.length - steps.length - faults.length, faults };
}

function stepFor(
  client: Client,
  document: Wanted,
  body: Wanted['body'],
  existing: readonly RolloutTemplate[],
): Step | undefined {
  const named = existing.filter(({ name }) => name === body['name']);
  const after = bare(body);
  const linesTo = (one: RolloutTemplate) =>
    differenceLines(differences(bare(without(one, 'id', 'createdBy', 'createdAt')), after));
  // One that was left over when a change was cut off goes, too.
  const kept = named.find((one) => linesTo(one).length === 0);
  const old = named.filter((one) => one !== kept);
  const [newest] = old;
  if (kept !== undefined && newest === undefined) return undefined;
  const step = { kind: 'template', name: nameOf(document), file: document.file } as const;
  const make = () => createRolloutTemplate({ client, body: body as unknown as NewRolloutTemplate });
  const run = async () => {
    if (kept === undefined) await make();
    for (const { id } of old) await deleteRolloutTemplate({ client, path: { id } });
    return undefined;
  };
  if (newest === undefined)
    return { ...step, action: 'create', lines: differenceLines(differences({}, bare({ ...body, name: null }))), run };
  return {
    ...step,
    action: 'change',
    lines: kept === undefined ? linesTo(newest) : ['- another one of this name'],
    run,
  };
}

/** With the ids of firmware that it names. */
async function withIds(client: Client, { body, file }: Wanted, faults: string[]): Promise<Wanted['body'] | undefined> {
  const { steps } = body;
  if (steps === undefined) return body;
  const named = await orFault(file, '/steps', faults, () => stepsWithIds(client, steps as readonly PlanStep[]));
  return named && { ...body, steps: named };
}
