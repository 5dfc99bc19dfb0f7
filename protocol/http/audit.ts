import { z } from 'zod';
import { ACTIONS } from '../../domain/audit/actions.js';
import { DEFAULT_PAGE_SIZE, listOf, MAX_PAGE_SIZE, timeFilter, timestamp } from './envelope.js';

/** What people did (docs/audit.md), and how others verify that nothing of it was changed. */

const times = {
  since: timeFilter('Only what was done at this time or later'),
  until: timeFilter('Only what was done before this time'),
};

/** The query of the list. */
export const auditQuery = z.strictObject({
  pageSize: z.int().min(1).max(MAX_PAGE_SIZE).default(DEFAULT_PAGE_SIZE),
  cursor: z.string().max(1_024).optional().meta({ description: 'What `meta.nextCursor` of the answer before said' }),
  order: z
    .enum(['asc', 'desc'], { error: 'must be asc or desc' })
    .default('desc')
    .meta({ description: 'desc: newest first' }),
  actor: listOf(z.string()).meta({
    description: 'Comma list of who did it, as `actor` says it',
    example: 'key:admin,user:ada',
  }),
  action: listOf(z.enum(ACTIONS, { error: `must be an action of the audit: ${ACTIONS.join(', ')}` })).meta({
    description: 'Comma list of what was done',
    example: 'rollout.start,rollout.amend',
  }),
  resource: listOf(z.string()).meta({
    description: 'Comma list of ids, of kinds (`device`), or of both together (`device/<id>`)',
    example: 'firmware',
  }),
  ...times,
});

/** The number of an entry, in a path. */
export const auditEntryNumber = z.object({
  entry: z
    .string()
    .regex(/^[1-9]\d{0,14}$/)
    .meta({ description: '`entry` in the list', example: '12' }),
});

/** The query of the export. */
export const auditExportQuery = z.strictObject({
  ...times,
  form: z.enum(['entries', 'proof'], { error: 'must be entries or proof' }).default('entries').meta({
    description:
      'proof: with what a verifier needs and has no need to ask for: the hash of each other entry of the history, the leaves of the tree, and a signed checkpoint',
  }),
});

const number = z.int().min(0).max(Number.MAX_SAFE_INTEGER);

/** The query of a proof that an entry is in the tree. */
export const auditProofQuery = z.strictObject({
  entry: number.meta({ description: 'The number of the entry: `entry` in the list', example: 12 }),
  size: number.optional().meta({ description: 'Of the tree; by default as it is now', example: 40 }),
});

/** The query of a proof that a tree began as another one. */
export const auditConsistencyQuery = z.strictObject({
  from: number.meta({ description: 'The size that was seen before', example: 12 }),
  to: number
    .optional()
    .meta({ description: 'The size that is compared with it; by default as it is now', example: 40 }),
});

const hash = z
  .string()
  .meta({ description: 'SHA-256, base64', example: '47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=' });
const shown = z.record(z.string(), z.unknown());

/** One act of a person, as the export has it as a line. */
export const auditEntry = z
  .strictObject({
    entry: z.int().meta({ description: "Its number in the tenant's history, and in the tree over it; counts from 1" }),
    tenant: z.string(),
    at: timestamp,
    action: z.string().meta({ enum: [...ACTIONS], description: 'What was done' }),
    actor: z.string().meta({ description: 'Who did it: `key:<name>`, `user:<sub>`' }),
    resource: z.strictObject({
      type: z.string(),
      id: z.string().meta({ description: 'What it was done to; of a refusal, the route' }),
    }),
    from: z.strictObject({
      address: z.string().nullable().meta({ description: 'Of the client' }),
      credential: z.string().nullable().meta({ description: 'Id of the key, or `jti` of the token' }),
    }),
    requestId: z.string().meta({ description: '`X-Request-Id` of the request: the log has it in each line' }),
    before: shown.optional().meta({ description: 'What was there, of what differs' }),
    after: shown.optional().meta({ description: 'What is there now, of what differs. Secrets are never in it' }),
    asked: shown.optional().meta({ description: 'What was said with a command: a reason, a comment' }),
    count: z.int().optional().meta({ description: 'How often within this minute, of a refusal' }),
  })
  .meta({
    id: 'AuditEntry',
    example: {
      entry: 4711,
      tenant: 'default',
      at: '2026-11-24T10:00:00.123456Z',
      action: 'device.change',
      actor: 'key:admin',
      resource: { type: 'device', id: '123e4567-e89b-12d3-a456-426655440010' },
      from: { address: '192.0.2.7', credential: null },
      requestId: '019ad000-0000-7000-8000-000000000001',
      before: { name: 'Lamp' },
      after: { name: 'Lamp in the hall' },
    },
  });

/** That an entry is in the tree: RFC 6962, section 2.1.1. */
export const auditProof = z
  .strictObject({
    entry: z.int(),
    index: z.int().meta({ description: 'Of its leaf: `entry` − 1' }),
    size: z.int(),
    root: hash,
    leaf: hash.meta({ description: 'SHA-256 over a zero byte and the line of the export, base64' }),
    proof: z.array(hash),
  })
  .meta({
    id: 'AuditProof',
    example: {
      entry: 1,
      index: 0,
      size: 1,
      root: '47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=',
      leaf: '47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=',
      proof: [],
    },
  });

/** That a tree began as an earlier one: RFC 6962, section 2.1.2. */
export const auditConsistency = z
  .strictObject({ from: z.int(), to: z.int(), fromRoot: hash, toRoot: hash, proof: z.array(hash) })
  .meta({
    id: 'AuditConsistency',
    example: {
      from: 1,
      to: 1,
      fromRoot: '47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=',
      toRoot: '47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=',
      proof: [],
    },
  });

/** By which checkpoints are verified. */
export const auditKey = z
  .strictObject({
    origin: z.string().meta({ description: 'First line of each checkpoint, and name of its key' }),
    verifierKey: z.string().meta({ description: "As Go's note.NewVerifier reads it (C2SP signed-note)" }),
    rotations: z.array(z.string()).meta({
      description: 'Where the key was changed: checkpoints of that moment, signed by the old key and the new',
    }),
  })
  .meta({
    id: 'AuditKey',
    example: {
      origin: 'slipway/123e4567-e89b-42d3-a456-426655440010/default',
      verifierKey: 'slipway/123e4567-e89b-42d3-a456-426655440010/default+0f1e2d3c+AQ==',
      rotations: [],
    },
  });
