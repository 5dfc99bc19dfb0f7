import type { Command } from 'commander';
import {
  createFirmwareAssociation,
  deleteFirmwareAssociation,
  listFirmwareAssociations,
  type FirmwareAssociation,
} from '../../../client/index.js';
import { allOf } from '../pages.js';
import type { View } from '../print.js';
import { firmwareId, typeId } from '../resolve.js';
import { group, verb } from '../verb.js';

interface Where {
  type: string;
  slot: string;
}

/** Which firmware may go into which slot of which type. */
export function associationVerbs(program: Command): void {
  const association = group(program, 'association', 'which firmware may go into which slot of a type');
  verb<Where & { firmware: string }>(
    association,
    {
      usage: 'create',
      says: 'allow a firmware for a slot of a type',
      examples: ['slipway association create --type "Light switch" --slot firmware --firmware switch@1.5.0'],
    },
    async (cli, _args, { type, slot, firmware }) => {
      const { client } = cli;
      const [id, firmwareId_] = [await typeId(client, type), await firmwareId(client, firmware)];
      const { data } = await createFirmwareAssociation({
        client,
        path: { id, slotName: slot },
        body: { firmwareId: firmwareId_ },
      });
      await cli.one(data, ASSOCIATION);
    },
  )
    .requiredOption('--type <type>', 'the type, by name or id')
    .requiredOption('--slot <slot>', 'its slot')
    .requiredOption('--firmware <firmware>', 'NAME@VERSION or id');
  verb<Where>(
    association,
    {
      usage: 'list',
      says: 'list what is allowed for a slot',
      examples: ['slipway association list --type "Light switch" --slot firmware'],
    },
    async (cli, _args, { type, slot }) => {
      const { client } = cli;
      const path = { id: await typeId(client, type), slotName: slot };
      await cli.rows(await allOf((query) => listFirmwareAssociations({ client, path, query })), ASSOCIATION);
    },
  )
    .requiredOption('--type <type>', 'the type, by name or id')
    .requiredOption('--slot <slot>', 'its slot');
  verb<Where>(
    association,
    {
      usage: 'delete <association>',
      says: 'allow it no more; what was requested continues',
      examples: ['slipway association delete 0193… --type "Light switch" --slot firmware'],
    },
    async (cli, [associationId = ''], { type, slot }) => {
      const { client } = cli;
      const id = await typeId(client, type);
      await deleteFirmwareAssociation({ client, path: { id, slotName: slot, associationId } });
      cli.note(`Association ${associationId} is deleted.`);
    },
  )
    .requiredOption('--type <type>', 'the type, by name or id')
    .requiredOption('--slot <slot>', 'its slot');
}

const ASSOCIATION: View<FirmwareAssociation> = {
  columns: { id: (a) => a.id, slot: (a) => a.slotName, firmware: (a) => a.firmwareId, type: (a) => a.deviceTypeId },
  id: (a) => a.id,
};
