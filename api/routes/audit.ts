import { z } from 'zod';
import { DomainError } from '../../domain/errors.js';
import {
  auditConsistency,
  auditConsistencyQuery,
  auditEntry,
  auditEntryNumber,
  auditExportQuery,
  auditKey,
  auditProof,
  auditProofQuery,
  auditQuery,
} from '../../protocol/http/audit.js';
import { envelope, pageOf } from '../../protocol/http/envelope.js';
import { listActs, readAct } from '../../store/audit/entries.js';
import { rotationsOf } from '../../store/audit/keys.js';
import { consistencyProof, inclusionProof, rootHash } from '../../store/audit/merkle.js';
import { nodesOf, treeSize } from '../../store/audit/tiles.js';
import { parseEntryCursor } from '../../store/db/cursors.js';
import type { Tx } from '../../store/db/pool.js';
import { exportLines } from '../audit/export.js';
import type { SigningKey } from '../audit/signing-key.js';
import { sendLines } from '../http/send-lines.js';
import { keysetOf } from '../http/paging.js';
import { answer, answerPage, route, type Route } from '../http/route.js';

const AUDIT = '/v1/audit';
const common = { tag: 'Audit', permission: 'audit_logs:read', method: 'get', validationCode: 'AUDIT_RANGE' } as const;

/** docs/audit.md: what people did, and the proofs that nothing of it was changed. */
export function auditRoutes(key: SigningKey): Route[] {
  return [
    route({
      ...common,
      path: AUDIT,
      operationId: 'listAudit',
      summary: 'What people did, newest first',
      description:
        'By whom, from where, on what, with what effect. An entry is there about a second after the act. Refusals for want of a permission are there too, one entry for each key, route and minute.',
      query: auditQuery,
      answers: { 200: { description: 'A page of it', schema: pageOf(auditEntry) } },
      async handle(call) {
        const request = keysetOf(call.query, parseEntryCursor, 'AUDIT_RANGE');
        return answerPage(
          await call.inTenant((tx) =>
            listActs(tx, call.principal.tenantId, call.query, { ...request, newestFirst: call.query.order === 'desc' }),
          ),
          { ...request, page: 0 },
        );
      },
    }),
    route({
      ...common,
      path: `${AUDIT}/{entry}`,
      operationId: 'readAuditEntry',
      summary: 'Read an entry',
      unknownCode: 'AUDIT_ENTRY_NOT_FOUND',
      params: auditEntryNumber,
      answers: {
        200: { description: 'The entry', schema: envelope(auditEntry) },
        410: { description: 'Too old' },
      },
      handle: async (call) =>
        answer(200, await call.inTenant((tx) => readAct(tx, call.principal.tenantId, Number(call.params.entry)))),
    }),
    route({
      ...common,
      path: `${AUDIT}/key`,
      operationId: 'readAuditKey',
      summary: 'The key that verifies checkpoints',
      description: 'Keep it, with a checkpoint, where this service cannot change it.',
      answers: { 200: { description: 'The key', schema: envelope(auditKey) } },
      async handle(call) {
        const { tenantId } = call.principal;
        const signer = await key.signer();
        return answer(200, {
          origin: signer.origin(tenantId),
          verifierKey: signer.verifierKey(tenantId),
          rotations: await call.inTenant((tx) => rotationsOf(tx, tenantId)),
        });
      },
    }),
    route({
      ...common,
      path: `${AUDIT}/checkpoint`,
      operationId: 'readAuditCheckpoint',
      summary: 'How the tree over the history stands, signed',
      description:
        'A [C2SP tlog-checkpoint](https://c2sp.org/tlog-checkpoint): origin, size and root of the RFC 6962 tree over all sealed entries of the tenant, as a signed note.',
      answers: {
        200: {
          description: 'The signed note',
          contentType: 'text/plain',
          schema: z.string(),
          example: 'slipway/123e4567-e89b-42d3-a456-426655440010/default\n40\n47DEQpj8HBSa…=\n\n— slipway/… …\n',
        },
      },
      async handle(call) {
        const { tenantId } = call.principal;
        const signer = await key.signer();
        const [size, root] = await call.inTenant(async (tx) => {
          const leaves = await treeSize(tx, tenantId);
          return [leaves, await rootHash(leaves, nodesOf(tx, tenantId))] as const;
        });
        call.response
          .status(200)
          .set('Cache-Control', 'no-store')
          .type('text/plain')
          .send(signer.checkpoint(tenantId, size, root));
        return { handled: true };
      },
    }),
    route({
      ...common,
      path: `${AUDIT}/proof`,
      operationId: 'proveAuditEntry',
      summary: 'That an entry is in the tree',
      description: 'RFC 6962, section 2.1.1.',
      query: auditProofQuery,
      answers: { 200: { description: 'The proof', schema: envelope(auditProof) } },
      async handle(call) {
        const { entry } = call.query;
        return call.inTenant(async (tx) => {
          const [size, node] = await treeOf(tx, call.principal.tenantId, call.query.size, 'size');
          if (entry < 1 || entry > size)
            throw range('entry', `must be from 1 to ${size}, the size of the tree${entry > size ? NOT_YET : ''}`);
          return answer(200, {
            entry,
            index: entry - 1,
            size,
            root: text(await rootHash(size, node)),
            leaf: text(await node(0, entry - 1)),
            proof: (await inclusionProof(entry - 1, size, node)).map(text),
          });
        });
      },
    }),
    route({
      ...common,
      path: `${AUDIT}/consistency`,
      operationId: 'proveAuditConsistency',
      summary: 'That the tree began as an earlier one',
      description: 'RFC 6962, section 2.1.2: between two checkpoints nothing was changed or taken away.',
      query: auditConsistencyQuery,
      answers: { 200: { description: 'The proof', schema: envelope(auditConsistency) } },
      async handle(call) {
        const { from } = call.query;
        return call.inTenant(async (tx) => {
          const [to, node] = await treeOf(tx, call.principal.tenantId, call.query.to, 'to');
          if (from < 1 || from > to) throw range('from', `must be from 1 to ${to}, the size that it is compared with`);
          return answer(200, {
            from,
            to,
            fromRoot: text(await rootHash(from, node)),
            toRoot: text(await rootHash(to, node)),
            proof: (await consistencyProof(from, to, node)).map(text),
          });
        });
      },
    }),
    route({
      ...common,
      path: `${AUDIT}/export`,
      operationId: 'exportAudit',
      summary: 'All of it as JSON lines',
      description:
        "Oldest first, streamed. The leaf of an entry in the tree is the hash of its line's bytes without the line break. docs/audit.md says how to verify it.",
      query: auditExportQuery,
      answers: {
        200: {
          description: 'One entry a line',
          contentType: 'application/x-ndjson',
          schema: z.string(),
          example: '{"entry":12,"tenant":"default","at":"2026-11-24T10:00:00.123456Z","action": "device.create"}\n',
        },
      },
      async handle(call) {
        const signer = call.query.form === 'proof' ? await key.signer() : undefined;
        return sendLines(call.response, exportLines(call.inTenant, call.principal.tenantId, call.query, signer));
      },
    }),
  ];
}

const NOT_YET = '; an entry is in it about a second after the act';

async function treeOf(tx: Tx, tenantId: string, wanted: number | undefined, name: string) {
  const now = await treeSize(tx, tenantId);
  if (wanted !== undefined && (wanted > now || wanted < 1))
    throw range(name, `must be from 1 to ${now}, the size of the tree now`);
  return [wanted ?? now, nodesOf(tx, tenantId)] as const;
}

function range(name: string, detail: string): DomainError {
  return new DomainError('AUDIT_RANGE', `${name} ${detail}`, { errors: [{ pointer: `/query/${name}`, detail }] });
}

function text(hash: Buffer): string {
  return hash.toString('base64');
}
