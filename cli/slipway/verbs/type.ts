import type { Command } from 'commander';
import {
  createDeviceType,
  deleteDeviceType,
  getDeviceType,
  listDeviceTypes,
  patchDeviceType,
  type DeviceType,
  type DeviceTypePatch,
  type NewDeviceType,
} from '../../../client/index.js';
import { CliError } from '../exit.js';
import { allOf } from '../pages.js';
import type { View } from '../print.js';
import { sendPlan } from '../plan-file.js';
import { typeId } from '../resolve.js';
import { collect, group, verb, whole } from '../verb.js';

interface CreateOptions {
  slot?: readonly string[];
  manufacturer?: string;
  model?: string;
  description?: string;
  file?: string;
}

/** Types of devices, and their slots. */
export function typeVerbs(program: Command): void {
  const type = group(program, 'type', 'types of devices, and their slots');
  verb<CreateOptions>(
    type,
    {
      usage: 'create [name]',
      says: 'make a type, by its name and slots or from a file',
      examples: [
        'slipway type create "Light switch" --slot firmware --manufacturer Acme --model LS-1',
        'slipway type create -f light-switch.yaml',
      ],
    },
    async (cli, [name], { file, slot = [], ...rest }) => {
      const { client } = cli;
      if (file !== undefined) {
        const { data } = await sendPlan<NewDeviceType, { data: DeviceType }>(file, (body) =>
          createDeviceType({ client, body }),
        );
        return cli.one(data, TYPE_WHOLE);
      }
      if (name === undefined || slot.length === 0)
        throw new CliError(
          'usage',
          'A type has a name and slots.',
          'For example: slipway type create "Light switch" --slot firmware',
        );
      const { manufacturer, model, description } = rest;
      const body: NewDeviceType = {
        name,
        slots: Object.fromEntries(
          slot.map((one) => [one, { name: `${one.slice(0, 1).toUpperCase()}${one.slice(1)}` }]),
        ),
        ...(manufacturer && { manufacturer }),
        ...(model && { model }),
        ...(description && { description }),
      };
      await cli.one((await createDeviceType({ client, body })).data, TYPE_WHOLE);
    },
  )
    .option('--slot <slot>', 'a slot; may be repeated', collect)
    .option('--manufacturer <text>', 'who makes it')
    .option('--model <text>', 'its model')
    .option('--description <text>', 'what it is')
    .option('-f, --file <file>', 'the whole of it, as YAML or JSON');

  verb<{ search?: string; limit?: number }>(
    type,
    { usage: 'list', says: 'list the types', examples: ['slipway type list'] },
    async (cli, _args, { search, limit }) => {
      const { client } = cli;
      const query = search ? { q: search } : {};
      await cli.rows(await allOf((page) => listDeviceTypes({ client, query: { ...query, ...page } }), limit), TYPE);
    },
  )
    .option('-q, --search <text>', 'only with this in their names')
    .option('--limit <count>', 'at most so many', whole);

  verb(
    type,
    { usage: 'show <type>', says: 'show one', examples: ['slipway type show "Light switch"'] },
    async (cli, [name = '']) => {
      const { client } = cli;
      const id = await typeId(client, name);
      await cli.one((await getDeviceType({ client, path: { id } })).data, TYPE_WHOLE);
    },
  );
  verb<{ file: string }>(
    type,
    {
      usage: 'change <type>',
      says: 'change it by a merge patch (RFC 7396) in a file',
      examples: ['slipway type change "Light switch" -f patch.yaml'],
    },
    async (cli, [name = ''], { file }) => {
      const { client } = cli;
      const id = await typeId(client, name);
      const { data } = await sendPlan<DeviceTypePatch, { data: DeviceType }>(file, (body) =>
        patchDeviceType({ client, path: { id }, body }),
      );
      await cli.one(data, TYPE_WHOLE);
    },
  ).requiredOption('-f, --file <file>', 'the patch, as YAML or JSON');
  verb(
    type,
    { usage: 'delete <type>', says: 'delete it', examples: ['slipway type delete "Light switch"'] },
    async (cli, [name = '']) => {
      const { client } = cli;
      await deleteDeviceType({ client, path: { id: await typeId(client, name) } });
      cli.note(`Type ${name} is deleted.`);
    },
  );
}

const TYPE: View<DeviceType> = {
  columns: {
    id: (t) => t.id,
    name: (t) => t.name,
    slots: (t) => Object.keys(t.slots).join(', '),
    manufacturer: (t) => t.manufacturer,
    model: (t) => t.model,
  },
  id: (t) => t.id,
};

const TYPE_WHOLE: View<DeviceType> = {
  columns: {
    ...TYPE.columns,
    description: (t) => t.description,
    'reports every': (t) => (t.communicationInterval === null ? undefined : `${t.communicationInterval} s`),
    created: (t) => t.createdAt,
  },
  id: (t) => t.id,
};
