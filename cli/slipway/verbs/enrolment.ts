import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import {
  approveEnrolment,
  createEnrolmentToken,
  listEnrolments,
  listEnrolmentTokens,
  preauthoriseEnrolment,
  rejectEnrolment,
  revokeEnrolmentToken,
  type Enrolment,
  type EnrolmentToken,
  type NewEnrolmentToken,
} from '../../../client/index.js';
import { allOf } from '../pages.js';
import type { View } from '../print.js';
import { typeId } from '../resolve.js';
import { group, span, verb, whole } from '../verb.js';

/** Devices that bring their own key: tokens for batches, approval, preauthorised serials (docs/enrolment.md). */
export function enrolmentVerbs(program: Command): void {
  const enrolment = group(program, 'enrolment', 'devices that enrol by themselves, and the tokens they do it with');
  verb<{ state?: Enrolment['state']; limit?: number }>(
    enrolment,
    {
      usage: 'list',
      says: 'list enrolments, newest first',
      examples: ['slipway enrolment list --state pending'],
    },
    async (cli, _args, { state, limit = 100 }) => {
      const { client } = cli;
      const query = state ? { state } : {};
      await cli.rows(await allOf((page) => listEnrolments({ client, query: { ...query, ...page } }), limit), ENROLMENT);
    },
  )
    .option('--state <state>', 'preauthorised, pending, approved, rejected or issued')
    .option('--limit <count>', 'at most so many', whole, 100);
  for (const [name, decide, says] of [
    ['approve', approveEnrolment, 'let a device in that waits; it gets its certificate when it asks again'],
    ['reject', rejectEnrolment, 'refuse a device that waits'],
  ] as const)
    verb<{ comment?: string }>(
      enrolment,
      {
        usage: `${name} <enrolment>`,
        says,
        examples: [`slipway enrolment ${name} 0193… --comment "seen on the bench"`],
      },
      async (cli, [id = ''], { comment }) => {
        const { data } = await decide({ client: cli.client, path: { id }, body: comment ? { comment } : {} });
        await cli.one(data, ENROLMENT);
      },
    ).option('--comment <text>', 'why; it stands in the audit');
  verb<{ type: string; key?: string }>(
    enrolment,
    {
      usage: 'preauthorise <serial>',
      says: 'let a device in that is known by its serial number, without a token',
      examples: ['slipway enrolment preauthorise SN-0042 --type "Light switch" --key SN-0042.pub.pem'],
    },
    async (cli, [serial = ''], { type, key }) => {
      const { client } = cli;
      const pubkey = key === undefined ? {} : { pubkey: readFileSync(key, 'utf8') };
      const body = { serial, deviceTypeId: await typeId(client, type), ...pubkey };
      await cli.one((await preauthoriseEnrolment({ client, body })).data, ENROLMENT);
    },
  )
    .requiredOption('--type <type>', 'its type, by name or id')
    .option('--key <file>', 'its public key (PEM); then no other key is let in');
  tokenVerbs(enrolment);
}

interface TokenOptions {
  type: string;
  uses: number;
  expiresIn: number;
  name?: string;
  manual?: boolean;
}

function tokenVerbs(enrolment: Command): void {
  const token = group(enrolment, 'token', 'tokens with which a batch of devices enrols');
  verb<TokenOptions>(
    token,
    {
      usage: 'create',
      says: 'make a token for so many devices of a type; it is shown this once',
      examples: ['slipway enrolment token create --type "Light switch" --uses 50 --expires-in 30d --name "batch 7"'],
    },
    async (cli, _args, { type, uses, expiresIn, name, manual }) => {
      const { client } = cli;
      const body: NewEnrolmentToken = {
        deviceTypeId: await typeId(client, type),
        uses,
        expiresAt: new Date(Date.now() + expiresIn).toISOString(),
        ...(name && { name }),
        ...(manual && { approval: 'manual' }),
      };
      await cli.one((await createEnrolmentToken({ client, body })).data, WITH_SECRET);
      cli.note('The token is not shown again.');
    },
  )
    .requiredOption('--type <type>', 'the type of the devices, by name or id')
    .requiredOption('--uses <count>', 'how many devices', whole)
    .requiredOption('--expires-in <duration>', 'how long it works', span)
    .option('--name <name>', 'what people call it')
    .option('--manual', 'each device waits until a person approves it');
  verb(token, { usage: 'list', says: 'list them', examples: ['slipway enrolment token list'] }, async (cli) => {
    const { client } = cli;
    await cli.rows(await allOf((query) => listEnrolmentTokens({ client, query })), TOKEN);
  });
  verb(
    token,
    {
      usage: 'revoke <token>',
      says: 'let no further device enrol with it; those that did stay',
      examples: ['slipway enrolment token revoke 0193…'],
    },
    async (cli, [id = '']) => {
      await revokeEnrolmentToken({ client: cli.client, path: { id } });
      cli.note(`Token ${id} is revoked.`);
    },
  );
}

const ENROLMENT: View<Enrolment> = {
  columns: {
    id: (e) => e.id,
    serial: (e) => e.serial,
    state: (e) => e.state,
    type: (e) => e.deviceTypeId,
    device: (e) => e.deviceId,
    address: (e) => e.address,
    created: (e) => e.createdAt,
    'decided by': (e) => e.decidedBy,
  },
  id: (e) => e.id,
};

const TOKEN: View<EnrolmentToken> = {
  columns: {
    id: (t) => t.id,
    name: (t) => t.name,
    state: (t) => t.state,
    used: (t) => `${t.used} of ${t.uses}`,
    approval: (t) => t.approval,
    expires: (t) => t.expiresAt,
  },
  id: (t) => t.id,
};

const WITH_SECRET: View<EnrolmentToken & { token?: string }> = {
  columns: { ...TOKEN.columns, token: (t) => t.token },
  id: (t) => t.id,
};
