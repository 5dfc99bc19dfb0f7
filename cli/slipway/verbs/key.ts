import type { Command } from 'commander';
import {
  createApiKey,
  listApiKeys,
  patchApiKey,
  readApiKey,
  revokeApiKey,
  rotateApiKey,
  type ApiKey,
  type NewApiKey,
} from '../../../client/index.js';
import { CliError } from '../exit.js';
import { allOf } from '../pages.js';
import type { View } from '../print.js';
import { group, verb } from '../verb.js';

interface CreateOptions {
  name: string;
  role?: NonNullable<NewApiKey['role']>;
  permissions?: string;
  expiresAt?: string;
}

/** API keys. */
export function keyVerbs(program: Command): void {
  const key = group(program, 'key', 'API keys');
  verb<CreateOptions>(
    key,
    {
      usage: 'create',
      says: 'make a key; it is shown this once',
      examples: [
        'slipway key create --name ci --role writer',
        'slipway key create --name probe --permissions rollouts:read,firmware:read --expires-at 2030-01-01T00:00:00Z',
      ],
    },
    async (cli, _args, { name, role, permissions, expiresAt }) => {
      if ((role === undefined) === (permissions === undefined))
        throw new CliError('usage', 'A key has either --role or --permissions.', 'For example: --role writer');
      const body: NewApiKey = {
        name,
        ...(role && { role }),
        ...(permissions && { permissions: permissions.split(',') as NonNullable<NewApiKey['permissions']> }),
        ...(expiresAt && { expiresAt }),
      };
      const { data } = await createApiKey({ client: cli.client, body });
      await cli.one(data, WITH_KEY);
      cli.note('The key is not shown again.');
    },
  )
    .requiredOption('--name <name>', 'what stands in the history as key:NAME')
    .option('--role <role>', 'owner, writer or reader')
    .option('--permissions <permissions>', 'comma list')
    .option('--expires-at <time>', 'RFC 3339');
  verb(key, { usage: 'list', says: 'list keys, without secrets', examples: ['slipway key list'] }, async (cli) => {
    const { client } = cli;
    await cli.rows(await allOf((query) => listApiKeys({ client, query })), KEY);
  });
  verb(key, { usage: 'show <key>', says: 'show one', examples: ['slipway key show 0193…'] }, async (cli, [id = '']) =>
    cli.one((await readApiKey({ client: cli.client, path: { id } })).data, KEY),
  );
  verb<{ name?: string; expiresAt?: string }>(
    key,
    {
      usage: 'change <key>',
      says: 'change its name or its end',
      examples: ['slipway key change 0193… --expires-at 2030-01-01T00:00:00Z'],
    },
    async (cli, [id = ''], { name, expiresAt }) => {
      const body = { ...(name && { name }), ...(expiresAt && { expiresAt }) };
      await cli.one((await patchApiKey({ client: cli.client, path: { id }, body })).data, KEY);
    },
  )
    .option('--name <name>', 'another name')
    .option('--expires-at <time>', 'RFC 3339');
  verb<{ overlap?: string }>(
    key,
    {
      usage: 'rotate <key>',
      says: 'make its successor; the old one works for a day',
      examples: ['slipway key rotate 0193… --overlap PT1H'],
    },
    async (cli, [id = ''], { overlap }) => {
      const { data } = await rotateApiKey({ client: cli.client, path: { id }, body: overlap ? { overlap } : {} });
      await cli.one(data, WITH_KEY);
      cli.note('The key is not shown again.');
    },
  ).option('--overlap <duration>', 'ISO 8601: how long the old one works');
  verb(
    key,
    { usage: 'revoke <key>', says: 'end it everywhere, within 5 s', examples: ['slipway key revoke 0193…'] },
    async (cli, [id = '']) => {
      await revokeApiKey({ client: cli.client, path: { id } });
      cli.note(`Key ${id} is revoked.`);
    },
  );
}

const KEY: View<ApiKey> = {
  columns: {
    id: (k) => k.id,
    name: (k) => k.name,
    may: (k) => k.role ?? k.permissions?.join(', '),
    state: (k) => k.state,
    expires: (k) => k.expiresAt,
    'last used': (k) => k.lastUsedAt,
  },
  id: (k) => k.id,
};

const WITH_KEY: View<ApiKey & { key?: string }> = {
  columns: { id: (k) => k.id, name: (k) => k.name, may: (k) => k.role ?? k.permissions?.join(', '), key: (k) => k.key },
  id: (k) => k.id,
};
