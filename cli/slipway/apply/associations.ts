import {
  createFirmwareAssociation,
  deleteFirmwareAssociation,
  listDeviceTypes,
  listFirmwareAssociations,
  readFirmware,
  type Client,
  type DeviceType,
} from '../../../client/index.js';
import { allOf } from '../pages.js';
import { firmwareId, typeId } from '../resolve.js';
import { isMembers } from './compare.js';
import { nameOf, type Wanted } from './documents.js';
import { orFault, type Around, type Planned, type Step } from './step.js';
import { namedTypes } from './types.js';

/** One slot of one type, on the service or in the files. */
interface Place {
  readonly type: string;
  readonly slot: string;
  /** Absent where the type is yet to be made. */
  readonly found?: DeviceType;
}

/** Which firmware may go into which slot: each document holds all that is allowed for its slot. */
export async function planAssociations(around: Around): Promise<Planned> {
  const { client, documents, pruned } = around;
  const types = await allOf((query) => listDeviceTypes({ client, query }));
  const wanted = documents.filter(({ kind }) => kind === 'association');
  const all = { steps: [] as Step[], surplus: [] as Step[], faults: [] as string[], same: 0 };
  for (const document of wanted) {
    const place = placeOf(document, documents, types);
    if (typeof place === 'string') all.faults.push(place);
    else await planSlot(client, document, place, all);
  }
  // Slots without a document: nothing is allowed for them. Asked for only where that matters, a request for each.
  if (pruned.has('association'))
    for (const place of slotsWithout(types, documents, wanted))
      for (const { id, firmwareId: of } of await allowedFor(client, place))
        all.surplus.push(await removal(client, place, id, of));
  return all;
}

/** @returns a fault where the files and the service have no such slot */
function placeOf({ body, file }: Wanted, documents: readonly Wanted[], types: readonly DeviceType[]): Place | string {
  const [type, slot] = [String(body['type']), String(body['slot'])];
  const described = documents.find((one) => one.kind === 'type' && one.body['name'] === type);
  const found = types.find(({ name }) => name === type);
  const slots = described === undefined ? found?.slots : described.body['slots'];
  if (described === undefined && found === undefined)
    return `${file.placeOf('/type')} /type there is no type "${type}"`;
  if (!isMembers(slots) || slots[slot] === undefined)
    return `${file.placeOf('/slot')} /slot the type "${type}" has no slot "${slot}"`;
  return { type, slot, ...(found && { found }) };
}

async function planSlot(
  client: Client,
  document: Wanted,
  place: Place,
  all: { steps: Step[]; surplus: Step[]; faults: string[]; same: number },
): Promise<void> {
  const { body, file } = document;
  const present = await allowedFor(client, place);
  const wanted = new Set<string>();
  for (const [at, text] of (body['firmwares'] as readonly string[]).entries()) {
    const id = await orFault(file, `/firmwares/${at}`, all.faults, () => firmwareId(client, text));
    if (id === undefined || wanted.has(id)) continue;
    wanted.add(id);
    if (present.some((one) => one.firmwareId === id)) all.same += 1;
    else
      all.steps.push({
        action: 'create',
        kind: 'association',
        name: `${nameOf(document)}: ${text}`,
        lines: [],
        file,
        run: async () => {
          const path = { id: await typeId(client, place.type), slotName: place.slot };
          await createFirmwareAssociation({ client, path, body: { firmwareId: id } });
          return undefined;
        },
      });
  }
  for (const { id, firmwareId: of } of present)
    if (!wanted.has(of)) all.surplus.push(await removal(client, place, id, of));
}

async function allowedFor(client: Client, { found, slot }: Place) {
  // A slot that is yet to be added has none.
  if (found?.slots[slot] === undefined) return [];
  return allOf((query) => listFirmwareAssociations({ client, path: { id: found.id, slotName: slot }, query }));
}

async function removal(client: Client, { type, slot, found }: Place, associationId: string, of: string): Promise<Step> {
  const { name, version } = (await readFirmware({ client, path: { id: of } })).data;
  const path = { id: found?.id ?? '', slotName: slot, associationId };
  return {
    action: 'delete',
    kind: 'association',
    name: `association of "${type}" ${slot}: ${name}@${version}`,
    lines: [],
    run: async () => void (await deleteFirmwareAssociation({ client, path })),
  };
}

function slotsWithout(
  types: readonly DeviceType[],
  documents: readonly Wanted[],
  wanted: readonly Wanted[],
): readonly Place[] {
  const named = namedTypes(documents);
  return types
    .filter(({ name }) => named.has(name))
    .flatMap((found) => Object.keys(found.slots).map((slot) => ({ type: found.name, slot, found })))
    .filter(({ type, slot }) => !wanted.some(({ body }) => body['type'] === type && body['slot'] === slot));
}
