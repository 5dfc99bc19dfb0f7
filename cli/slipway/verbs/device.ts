import type { Command } from 'commander';
import {
  createDevice,
  deleteDevice,
  getDevice,
  listDeviceSlots,
  listDevices,
  listDiagnostics,
  patchDevice,
  readDeviceTimeline,
  type Device,
  type DeviceRow,
  type DeviceSlot,
  type Diagnostic,
  type NewDevice,
} from '../../../client/index.js';
import type { Cli } from '../cli.js';
import { CliError } from '../exit.js';
import { allOf } from '../pages.js';
import type { View } from '../print.js';
import { deviceId, typeId } from '../resolve.js';
import { collect, group, verb, whole } from '../verb.js';
import { bulkVerbs } from './device-bulk.js';
import { passwordVerb } from './credential.js';

interface ListOptions {
  filter?: string;
  name?: string;
  tag?: string;
  type?: string;
  sort?: 'name' | '-name' | 'createdAt' | '-createdAt';
  limit?: number;
}

/** Rows of a list: as wide as the API gives them. */
const ROWS_AT_ONCE = 1_000;

/** Devices, one by one and in bulk. */
export function deviceVerbs(program: Command): void {
  const device = group(program, 'device', 'devices and gateways');
  verb<ListOptions>(
    device,
    {
      usage: 'list',
      says: 'list devices, newest first',
      examples: [
        "slipway device list --filter 'slot.firmware.version=lt=1.5.0;online==true'",
        "slipway device list -f 'tag==north' -o id",
      ],
    },
    list,
  )
    .option('-f, --filter <filter>', 'RSQL over names, types, tags, versions and presence (docs/filters.md)')
    .option('--name <name>', 'only of this name; * stands for any characters')
    .option('--tag <tag>', 'only with this tag')
    .option('--type <type>', 'only of this type')
    .option('--sort <member>', 'name, -name, createdAt or -createdAt')
    .option('--limit <count>', 'at most so many', whole);
  verb(
    device,
    { usage: 'show <device>', says: 'show one', examples: ['slipway device show hall'] },
    async (cli, [name = '']) => {
      const { client } = cli;
      await cli.one((await getDevice({ client, path: { id: await deviceId(client, name) } })).data, DEVICE);
    },
  );
  verb<{ limit?: number }>(
    device,
    {
      usage: 'timeline <device>',
      says: 'why it has its version, why something changes now, and what it waits for',
      examples: ['slipway device timeline hall'],
    },
    timeline,
  ).option('--limit <count>', 'at most so many entries', whole, 20);
  verb(
    device,
    {
      usage: 'slots <device>',
      says: 'what its slots hold, and what they are to hold',
      examples: ['slipway device slots hall'],
    },
    async (cli, [name = '']) => {
      const { client } = cli;
      const { data } = await listDeviceSlots({ client, path: { id: await deviceId(client, name) } });
      await cli.rows(data, SLOT);
    },
  );
  createVerb(device);
  bulkVerbs(device);
  passwordVerb(device);
  verb<{ force?: boolean }>(
    device,
    { usage: 'delete <device>', says: 'delete it', examples: ['slipway device delete hall'] },
    async (cli, [name = ''], { force = false }) => {
      const { client } = cli;
      await deleteDevice({ client, path: { id: await deviceId(client, name) }, query: { force } });
      cli.note(`Device ${name} is deleted.`);
    },
  ).option('--force', 'cancel its open installations');
  const diagnostics = verb(
    program,
    {
      usage: 'diagnostics <device>',
      says: 'messages of the device that were refused in the last hour, and why',
      examples: ['slipway diagnostics hall'],
    },
    async (cli, [name = '']) => {
      const { client } = cli;
      const { data } = await listDiagnostics({ client, path: { id: await deviceId(client, name) } });
      await cli.rows(data, DIAGNOSTIC);
    },
  );
  diagnostics.alias('diag');
}

interface CreateOptions {
  type?: string;
  tag?: readonly string[];
  connectedBy?: string;
  alias?: readonly string[];
  description?: string;
}

function createVerb(device: Command): void {
  verb<CreateOptions & { type: string }>(
    device,
    {
      usage: 'create <name>',
      says: 'register a device',
      examples: ['slipway device create hall --type "Light switch" --tag north'],
    },
    async (cli, [name = ''], { type, tag, connectedBy, alias, description }) => {
      const { client } = cli;
      const body: NewDevice = {
        info: {
          name,
          deviceTypeId: await typeId(client, type),
          ...(tag && { tags: [...tag] }),
          ...(alias && { aliases: [...alias] }),
          ...(description && { description }),
          ...(connectedBy && { connectedBy: await deviceId(client, connectedBy) }),
        },
      };
      await cli.one((await createDevice({ client, body })).data, DEVICE);
    },
  )
    .requiredOption('--type <type>', 'its type, by name or id')
    .option('--tag <tag>', 'a tag; may be repeated', collect)
    .option('--alias <alias>', 'another name in messages, such as a MAC address; may be repeated', collect)
    .option('--connected-by <device>', 'the gateway that speaks for it')
    .option('--description <text>', 'what it is');
  verb<{ add?: readonly string[]; remove?: readonly string[] }>(
    device,
    {
      usage: 'tag <device>',
      says: 'add and remove tags of one device; of many: device act tag',
      examples: ['slipway device tag hall --add north --remove spare'],
    },
    async (cli, [name = ''], { add = [], remove = [] }) => {
      const { client } = cli;
      if (add.length + remove.length === 0)
        throw new CliError('usage', 'No tag is named.', 'For example: slipway device tag hall --add north');
      const id = await deviceId(client, name);
      const { data: now } = await getDevice({ client, path: { id } });
      const tags = [...new Set([...now.info.tags, ...add])].filter((one) => !remove.includes(one));
      await cli.one((await patchDevice({ client, path: { id }, body: { info: { tags } } })).data, DEVICE);
    },
  )
    .option('--add <tag>', 'may be repeated', collect)
    .option('--remove <tag>', 'may be repeated', collect);
}

async function list(cli: Cli, _args: readonly string[], options: ListOptions): Promise<void> {
  const { client } = cli;
  const { filter, name, tag, type, sort, limit } = options;
  const query = {
    ...(filter && { filter }),
    ...(name && { name }),
    ...(tag && { tag }),
    ...(type && { deviceTypeId: await typeId(client, type) }),
    ...(sort && { sort }),
  };
  // JSON and YAML are whole; a table and ids take the compact rows, ten times as many at once.
  if (cli.globals.output === 'json' || cli.globals.output === 'yaml')
    return cli.rows(
      await allOf(async (page) => (await listDevices({ client, query: { ...query, ...page } })) as DevicePage, limit),
      DEVICE,
    );
  const fields = cli.globals.output === 'id' ? 'id' : 'id,name,online,versions,installation';
  const rows = await allOf(
    async (page) => (await listDevices({ client, query: { ...query, fields, ...page } })) as RowPage,
    limit,
    ROWS_AT_ONCE,
  );
  await cli.rows(rows, ROW);
}

/** Without `fields` whole devices, with it rows: the document cannot say which. */
interface DevicePage {
  data: Device[];
  meta: { nextCursor?: string };
}
interface RowPage {
  data: DeviceRow[];
  meta: { nextCursor?: string };
}

async function timeline(cli: Cli, [name = '']: readonly string[], { limit = 20 }: { limit?: number }): Promise<void> {
  const { client } = cli;
  const id = await deviceId(client, name);
  const { data } = await readDeviceTimeline({ client, path: { id }, query: { pageSize: Math.min(limit, 100) } });
  const lines = [
    ...data.now.flatMap((slot) => [
      `${slot.slot}: ${slot.version ?? 'version not known'}`,
      ...[slot.why, slot.whyNow, ...slot.waitingOn].flatMap((sentence) => (sentence === null ? [] : [`  ${sentence}`])),
    ]),
    '',
    ...data.entries.map(({ at, sentence }) => `${at}  ${sentence}`),
  ];
  await cli.value(data, lines.map((line) => `${line}\n`).join(''), id);
}

const DEVICE: View<Device> = {
  columns: {
    id: (d) => d.id,
    name: (d) => d.info.name,
    type: (d) => d.info.deviceTypeId,
    online: (d) => d.online,
    'last seen': (d) => d.lastSeenAt,
    tags: (d) => d.info.tags.join(', '),
    'connected by': (d) => d.info.connectedBy,
    aliases: (d) => d.info.aliases.join(', '),
    agent: (d) => d.agent && `${d.agent.name} ${d.agent.version}`,
    description: (d) => d.info.description,
    created: (d) => d.createdAt,
  },
  id: (d) => d.id,
};

const ROW: View<DeviceRow> = {
  columns: {
    id: (d) => d.id,
    name: (d) => d.name,
    online: (d) => d.online,
    versions: (d) =>
      Object.entries(d.versions ?? {})
        .map(([slot, version]) => `${slot} ${version ?? '?'}`)
        .join(', '),
    installation: (d) => d.installation?.state,
    'waiting on': (d) => d.installation?.waitingOn,
  },
  id: (d) => d.id ?? '',
};

const SLOT: View<DeviceSlot> = {
  columns: {
    slot: (s) => s.slot,
    holds: (s) => s.current?.version ?? s.current?.sha256,
    confirmed: (s) => s.current?.confirmed,
    'to hold': (s) => s.desired && `${s.desired.name} ${s.desired.version ?? ''}`.trim(),
    state: (s) => s.desired?.state,
    queued: (s) => s.queued,
  },
  id: (s) => s.slot,
};

const DIAGNOSTIC: View<Diagnostic> = {
  columns: { at: (d) => d.at, reason: (d) => d.reason, detail: (d) => d.detail, topic: (d) => d.topic },
  id: (d) => d.at,
};
