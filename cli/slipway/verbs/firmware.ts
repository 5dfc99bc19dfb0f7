import type { Command } from 'commander';
import {
  createFirmware,
  createFirmwareAssociation,
  deleteFirmware,
  listFirmwares,
  readFirmware,
  readFirmwareUsage,
  type Firmware,
} from '../../../client/index.js';
import { plural } from '../../../domain/plural.js';
import type { Cli } from '../cli.js';
import { allOf } from '../pages.js';
import type { View } from '../print.js';
import { firmwareId, firmwareOf, typeId } from '../resolve.js';
import { sizeText } from '../text.js';
import { collect, group, verb, whole } from '../verb.js';
import { CliError } from '../exit.js';

interface UploadOptions {
  name: string;
  version: string;
  description?: string;
  contentType?: string;
  label?: readonly string[];
  slot?: string;
  type?: readonly string[];
}

/** Firmware: what is installed. */
export function firmwareVerbs(program: Command): void {
  const firmware = group(program, 'firmware', 'firmware, bootloaders and configuration that can be installed');
  verb<UploadOptions>(
    firmware,
    {
      usage: 'upload <file>',
      says: 'upload a file as a version of a firmware, and allow it for a slot of device types',
      examples: [
        'slipway firmware upload switch-1.5.0.bin --name switch --version 1.5.0',
        'slipway firmware upload switch-1.5.0.bin --name switch --version 1.5.0 --slot firmware --type "Light switch"',
      ],
    },
    upload,
  )
    .requiredOption('--name <name>', 'the name of the firmware')
    .requiredOption('--version <version>', 'its version')
    .option('--description <text>', 'what it is')
    .option('--content-type <type>', 'its media type')
    .option('--label <key=value>', 'a label; may be repeated', collect)
    .option('--slot <slot>', 'allow it for this slot of each --type')
    .option('--type <type>', 'a device type, by name or id; may be repeated', collect);

  verb<{ name?: string; firmwareVersion?: string; state?: string; search?: string; limit?: number }>(
    firmware,
    {
      usage: 'list',
      says: 'list firmware, newest first',
      examples: ['slipway firmware list --name switch', 'slipway firmware list -o id'],
    },
    async (cli, _args, { name, search, state, limit }) => {
      const query = { ...(name && { name }), ...(search && { q: search }), ...(state && { state }) };
      const { client } = cli;
      await cli.rows(await allOf((page) => listFirmwares({ client, query: { ...query, ...page } }), limit), FIRMWARE);
    },
  )
    .option('--name <name>', 'only of this name')
    .option('-q, --search <text>', 'only with this in their names')
    .option('--state <state>', 'draft, ready, expired or retired')
    .option('--limit <count>', 'at most so many', whole);

  verb(
    firmware,
    { usage: 'show <firmware>', says: 'show one', examples: ['slipway firmware show switch@1.5.0'] },
    async (cli, [name = '']) => cli.one(await firmwareOf(cli.client, name), FIRMWARE_WHOLE),
  );
  verb(
    firmware,
    {
      usage: 'used-by <firmware>',
      says: 'show where it is allowed, rolled out and installed',
      examples: ['slipway firmware used-by switch@1.5.0'],
    },
    usedBy,
  );
  verb<{ force?: boolean }>(
    firmware,
    {
      usage: 'delete <firmware>',
      says: 'delete it, with its bytes',
      examples: ['slipway firmware delete switch@1.4.0'],
    },
    async (cli, [name = ''], { force = false }) => {
      const id = await firmwareId(cli.client, name);
      await deleteFirmware({ client: cli.client, path: { id }, query: { force } });
      cli.note(`Firmware ${name} is deleted.`);
    },
  ).option('--force', 'cancel the installations that use it');
}

const FIRMWARE: View<Firmware> = {
  columns: {
    id: (f) => f.id,
    name: (f) => f.name,
    version: (f) => f.version,
    state: (f) => f.state,
    size: (f) => (f.size === undefined ? undefined : sizeText(f.size)),
    created: (f) => f.createdAt,
  },
  id: (f) => f.id,
};

const FIRMWARE_WHOLE: View<Firmware> = {
  columns: {
    ...FIRMWARE.columns,
    description: (f) => f.description,
    'content type': (f) => f.contentType,
    sha256: (f) => f.sha256,
    labels: (f) =>
      Object.entries(f.labels)
        .map(([key, value]) => `${key}=${value}`)
        .join(', '),
    by: (f) => f.createdBy,
  },
  id: (f) => f.id,
};

async function upload(cli: Cli, [file = '']: readonly string[], options: UploadOptions): Promise<void> {
  const { client } = cli;
  const { slot, type: types = [] } = options;
  if ((slot === undefined) !== (types.length === 0))
    throw new CliError(
      'usage',
      '--slot and --type belong together.',
      'For example: --slot firmware --type "Light switch"',
    );
  // What can be wrong with the arguments is found before the bytes are sent.
  const { hashed, send } = await import('../upload.js');
  const typeIds = await Promise.all(types.map((type) => typeId(client, type)));
  const { sha256, size } = await hashed(file);
  const { data: created } = await createFirmware({
    client,
    body: {
      name: options.name,
      version: options.version,
      sha256,
      size,
      ...(options.description === undefined ? {} : { description: options.description }),
      ...(options.contentType === undefined ? {} : { contentType: options.contentType }),
      ...(options.label === undefined ? {} : { labels: labelsOf(options.label) }),
    },
  });
  await send(cli, file, size, created.id);
  for (const id of typeIds)
    await createFirmwareAssociation({
      client,
      path: { id, slotName: slot ?? '' },
      body: { firmwareId: created.id },
    });
  cli.note(
    `Uploaded ${sizeText(size)}${slot === undefined ? '' : `; allowed for slot ${slot} of ${types.join(', ')}`}.`,
  );
  await cli.one((await readFirmware({ client, path: { id: created.id } })).data, FIRMWARE_WHOLE);
}

function labelsOf(given: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    given.map((one) => {
      const at = one.indexOf('=');
      if (at < 1) throw new CliError('usage', `--label ${one} is not KEY=VALUE.`);
      return [one.slice(0, at), one.slice(at + 1)];
    }),
  );
}

async function usedBy(cli: Cli, [name = '']: readonly string[]): Promise<void> {
  const { client } = cli;
  const id = await firmwareId(client, name);
  const { data: usage } = await readFirmwareUsage({ client, path: { id } });
  const lines = [
    ...usage.associations.map(({ deviceType, slot }) => `allowed    slot ${slot} of ${deviceType}`),
    ...usage.rollouts.map((rollout) => `rollout    ${rollout.name} (${rollout.phase}) ${rollout.id}`),
    ...usage.slots.map(({ slot, devices }) => `installed  slot ${slot} of ${plural(devices, 'device')}`),
    `open       ${plural(usage.openInstallations, 'installation')}`,
  ];
  await cli.value(usage, lines.map((line) => `${line}\n`).join(''), id);
}
