import {
  listDevices,
  listDeviceTypes,
  listFirmwareInstallations,
  listFirmwares,
  listRollouts,
  listRolloutTemplates,
  readFirmware,
  type Client,
  type Firmware,
  type FirmwareInstallation,
} from '../../client/index.js';
import { isUuid } from '../../domain/uuid.js';
import { CliError } from './exit.js';

/** What people call a thing: its id, or its name where no other one has it. Each answers with the id. */

/** @throws CliError unknown, or usage where several have the name */
export async function deviceId(client: Client, text: string): Promise<string> {
  if (isUuid(text)) return text;
  // `*` stands for any characters in this query, so the name is compared here as well.
  const { data } = await listDevices({ client, query: { name: text, pageSize: 100 } });
  return only(
    'device',
    text,
    data.flatMap((one) => ('info' in one && one.info.name === text ? [one] : [])),
  );
}

/** @throws CliError unknown, or usage where several have the name */
export async function typeId(client: Client, text: string): Promise<string> {
  if (isUuid(text)) return text;
  const { data } = await listDeviceTypes({ client, query: { q: text, pageSize: 100 } });
  return only(
    'type',
    text,
    data.filter(({ name }) => name === text),
  );
}

/** A firmware by its id, `name@version`, or `name` alone where it has one version. */
export async function firmwareId(client: Client, text: string): Promise<string> {
  return isUuid(text) ? text : (await firmwareOf(client, text)).id;
}

/** The same, whole. Of several uploads of one version, only those that are ready count. */
export async function firmwareOf(client: Client, text: string): Promise<Firmware> {
  if (isUuid(text)) return (await readFirmware({ client, path: { id: text } })).data;
  const at = text.lastIndexOf('@');
  const [name, version] = at > 0 ? [text.slice(0, at), text.slice(at + 1)] : [text, undefined];
  const { data } = await listFirmwares({ client, query: { q: name, pageSize: 100 } });
  const named = data.filter((one) => one.name === name && (version === undefined || one.version === version));
  const ready = named.filter(({ state }) => state === 'ready');
  const found = ready.length > 0 ? ready : named;
  const id = only('firmware', text, found, 'Name the version: NAME@VERSION');
  return found.find((one) => one.id === id) ?? (await readFirmware({ client, path: { id } })).data;
}

/** A step of a plan, as a file says it. */
export interface PlanStep {
  readonly slot?: string;
  readonly firmwareId?: unknown;
}

/** Steps whose firmware may be `name@version`: with its id. What is no list of steps is for the API to refuse. */
export async function stepsWithIds<T extends PlanStep>(client: Client, steps: readonly T[]): Promise<readonly T[]> {
  if (!Array.isArray(steps)) return steps;
  return Promise.all(
    (steps as readonly T[]).map(async (step) =>
      typeof step?.firmwareId === 'string' ? { ...step, firmwareId: await firmwareId(client, step.firmwareId) } : step,
    ),
  );
}

/** @throws CliError unknown, or usage where several have the name */
export async function rolloutId(client: Client, text: string): Promise<string> {
  if (isUuid(text)) return text;
  const { data } = await listRollouts({ client, query: { q: text, pageSize: 100 } });
  return only(
    'rollout',
    text,
    data.filter(({ name }) => name === text),
  );
}

/** @throws CliError unknown, or usage where several have the name */
export async function templateId(client: Client, text: string): Promise<string> {
  if (isUuid(text)) return text;
  const { data } = await listRolloutTemplates({ client, query: { q: text, pageSize: 100 } });
  return only(
    'template',
    text,
    data.filter(({ name }) => name === text),
  );
}

/** A page of whole installations: with `fields` it would be rows, and the document cannot say which. */
export interface InstallationPage {
  data: FirmwareInstallation[];
  meta: { nextCursor?: string };
}

/** An installation by its id: its path has the device, too. */
export async function installationOf(client: Client, id: string): Promise<FirmwareInstallation> {
  const { data } = isUuid(id)
    ? ((await listFirmwareInstallations({ client, query: { id } })) as InstallationPage)
    : { data: [] };
  const [found] = data;
  if (found !== undefined) return found;
  throw new CliError('unknown', `There is no installation ${id}.`, 'See them: slipway installation list');
}

function only(kind: string, text: string, found: readonly { id: string }[], how = 'Name it by its id'): string {
  const [first, second] = found;
  if (first === undefined)
    throw new CliError('unknown', `There is no ${kind} with the name or id ${text}.`, `See them: slipway ${kind} list`);
  if (second !== undefined)
    throw new CliError(
      'usage',
      `${found.length} of them are called ${text}: ${found.map(({ id }) => id).join(', ')}`,
      `${how}.`,
    );
  return first.id;
}
