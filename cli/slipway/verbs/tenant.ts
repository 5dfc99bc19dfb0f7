import type { Command } from 'commander';
import {
  createTenant,
  listTenants,
  patchTenant,
  readTenant,
  type Quotas,
  type Tenant,
  type TenantWithKey,
  type TenantWithUsage,
} from '../../../client/index.js';
import { CliError } from '../exit.js';
import { allOf } from '../pages.js';
import type { View } from '../print.js';
import { collect, group, verb } from '../verb.js';

/** Tenants, for the operator of the installation. */
export function tenantVerbs(program: Command): void {
  const tenant = group(program, 'tenant', 'tenants, for the operator of the installation');
  verb<{ name?: string; quota?: readonly string[] }>(
    tenant,
    {
      usage: 'create <tenant>',
      says: 'make a tenant, with the key of its first owner, shown this once',
      examples: ['slipway tenant create acme --name "Acme Ltd" --quota devices=5000'],
    },
    async (cli, [id = ''], { name, quota }) => {
      const { data } = await createTenant({
        client: cli.client,
        body: { id, ...(name && { name }), ...(quota && { quotas: quotasOf(quota) }) },
      });
      await cli.one(data, WITH_KEY);
      cli.note('The key is not shown again.');
    },
  )
    .option('--name <name>', 'what people call it')
    .option('--quota <name=number>', 'devices, firmwares, bytes, openRollouts, apiKeys or requestsPerMinute', collect);
  verb(tenant, { usage: 'list', says: 'list them', examples: ['slipway tenant list'] }, async (cli) => {
    const { client } = cli;
    await cli.rows(await allOf((query) => listTenants({ client, query })), TENANT);
  });
  verb(
    tenant,
    { usage: 'show <tenant>', says: 'show one, with what it uses', examples: ['slipway tenant show acme'] },
    async (cli, [id = '']) => cli.one((await readTenant({ client: cli.client, path: { id } })).data, WITH_USAGE),
  );
  verb<{ name?: string; quota?: readonly string[] }>(
    tenant,
    {
      usage: 'change <tenant>',
      says: 'change its name or its quotas; a quota of none is taken away',
      examples: ['slipway tenant change acme --quota devices=10000 --quota apiKeys=none'],
    },
    async (cli, [id = ''], { name, quota }) => {
      const body = { ...(name && { name }), ...(quota && { quotas: quotasOf(quota) }) };
      await cli.one((await patchTenant({ client: cli.client, path: { id }, body })).data, TENANT);
    },
  )
    .option('--name <name>', 'another name')
    .option('--quota <name=number>', 'may be repeated', collect);
  for (const [name, state, says] of [
    ['suspend', 'suspended', 'let nothing new begin in it; what was offered continues'],
    ['resume', 'active', 'let it continue'],
  ] as const)
    verb(
      tenant,
      { usage: `${name} <tenant>`, says, examples: [`slipway tenant ${name} acme`] },
      async (cli, [id = '']) =>
        cli.one((await patchTenant({ client: cli.client, path: { id }, body: { state } })).data, TENANT),
    );
}

/** `devices=5000`; `none` takes it away. */
function quotasOf(given: readonly string[]): Quotas {
  const parsed = given.map((one) => {
    const [, name, value] = /^(\w+)=(\d+|none)$/.exec(one) ?? [];
    if (name === undefined || value === undefined)
      throw new CliError('usage', `--quota ${one} is not NAME=NUMBER.`, 'For example: --quota devices=5000');
    return [name, value === 'none' ? null : Number(value)];
  });
  return Object.fromEntries(parsed) as Quotas;
}

function quotaText(quotas: Quotas, usage: Partial<Record<string, number>> = {}): string {
  return Object.entries(quotas)
    .map(([name, value]) => `${name} ${usage[name] === undefined ? '' : `${usage[name]} of `}${value}`)
    .join(', ');
}

const TENANT: View<Tenant> = {
  columns: {
    id: (t) => t.id,
    name: (t) => t.name,
    state: (t) => t.state,
    quotas: (t) => quotaText(t.quotas),
    created: (t) => t.createdAt,
  },
  id: (t) => t.id,
};

const WITH_USAGE: View<TenantWithUsage> = {
  columns: {
    ...TENANT.columns,
    quotas: (t) => quotaText(t.quotas, t.usage),
    devices: (t) => t.usage.devices,
    firmwares: (t) => t.usage.firmwares,
    bytes: (t) => t.usage.bytes,
    'open rollouts': (t) => t.usage.openRollouts,
    keys: (t) => t.usage.apiKeys,
  },
  id: (t) => t.id,
};

const WITH_KEY: View<TenantWithKey> = {
  columns: { ...TENANT.columns, key: (t) => t.key },
  id: (t) => t.id,
};
