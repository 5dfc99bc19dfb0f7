import {
  createDeviceType,
  deleteDeviceType,
  listDeviceTypes,
  patchDeviceType,
  type DeviceTypePatch,
  type NewDeviceType,
} from '../../../client/index.js';
import { allOf } from '../pages.js';
import { bare, differenceLines, differences, mergePatch, without } from './compare.js';
import { nameOf, type Wanted } from './documents.js';
import type { Around, Planned, Step } from './step.js';

/** Types by their names. A file is the whole of a type: what it does not name goes back to its default. */
export async function planTypes({ client, documents }: Around): Promise<Planned> {
  const existing = await allOf((query) => listDeviceTypes({ client, query }));
  const wanted = documents.filter(({ kind }) => kind === 'type');
  const steps: Step[] = [];
  const faults: string[] = [];
  for (const document of wanted) {
    const { body, file } = document;
    const [found, second] = existing.filter(({ name }) => name === body['name']);
    const named = { kind: 'type', name: nameOf(document), file } as const;
    if (second !== undefined) faults.push(`${file.placeOf('/name')} several types of the service have this name`);
    else if (found === undefined)
      steps.push({
        ...named,
        action: 'create',
        lines: differenceLines(differences({}, bare({ ...body, name: undefined }))),
        run: async () => void (await createDeviceType({ client, body: body as unknown as NewDeviceType })),
      });
    else {
      const [before, after] = [bare(without(found, 'id', 'createdAt', 'updatedAt')), bare(body)];
      const lines = differenceLines(differences(before, after));
      const patch = mergePatch(before, after) as DeviceTypePatch;
      const run = async () => void (await patchDeviceType({ client, path: { id: found.id }, body: patch }));
      if (lines.length > 0) steps.push({ ...named, action: 'change', lines, run });
    }
  }
  const isNamed = namedTypes(documents);
  const surplus = existing
    .filter(({ name }) => !isNamed.has(name))
    .map(({ id, name }): Step => ({
      action: 'delete',
      kind: 'type',
      name: `type "${name}"`,
      lines: [],
      run: async () => void (await deleteDeviceType({ client, path: { id } })),
    }));
  return { steps, surplus, same: wanted.length - steps.length - faults.length, faults };
}

/** Types that files describe, or allow firmware for: these stay. */
export function namedTypes(documents: readonly Wanted[]): ReadonlySet<unknown> {
  return new Set(
    documents.flatMap(({ kind, body }) =>
      kind === 'type' ? [body['name']] : kind === 'association' ? [body['type']] : [],
    ),
  );
}
