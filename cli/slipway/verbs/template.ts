import type { Command } from 'commander';
import {
  createRolloutTemplate,
  deleteRolloutTemplate,
  listRolloutTemplates,
  readRolloutTemplate,
  type NewRolloutTemplate,
  type RolloutTemplate,
} from '../../../client/index.js';
import { allOf } from '../pages.js';
import { sendPlan } from '../plan-file.js';
import { printValue, type View } from '../print.js';
import { templateId } from '../resolve.js';
import { group, verb } from '../verb.js';

/** Any part of a plan, kept. */
export function templateVerbs(program: Command): void {
  const template = group(program, 'template', 'templates of rollouts: any part of a plan');
  verb<{ file: string }>(
    template,
    { usage: 'create', says: 'keep part of a plan', examples: ['slipway template create -f careful.yaml'] },
    async (cli, _args, { file }) => {
      const { client } = cli;
      const { data } = await sendPlan<NewRolloutTemplate, { data: RolloutTemplate }>(file, (body) =>
        createRolloutTemplate({ client, body }),
      );
      await cli.one(data, TEMPLATE);
    },
  ).requiredOption('-f, --file <file>', 'YAML or JSON; - is standard input');
  verb(template, { usage: 'list', says: 'list them', examples: ['slipway template list'] }, async (cli) => {
    const { client } = cli;
    await cli.rows(await allOf((query) => listRolloutTemplates({ client, query })), TEMPLATE);
  });
  verb(
    template,
    { usage: 'show <template>', says: 'show one, whole', examples: ['slipway template show careful'] },
    async (cli, [name = '']) => {
      const { client } = cli;
      const { data } = await readRolloutTemplate({ client, path: { id: await templateId(client, name) } });
      await cli.value(data, await printValue(data, 'yaml'), data.id);
    },
  );
  verb(
    template,
    {
      usage: 'delete <template>',
      says: 'delete it; rollouts that came from it stay',
      examples: ['slipway template delete careful'],
    },
    async (cli, [name = '']) => {
      const { client } = cli;
      await deleteRolloutTemplate({ client, path: { id: await templateId(client, name) } });
      cli.note(`Template ${name} is deleted.`);
    },
  );
}

const TEMPLATE: View<RolloutTemplate> = {
  columns: { id: (t) => t.id, name: (t) => t.name, by: (t) => t.createdBy, created: (t) => t.createdAt },
  id: (t) => t.id,
};
