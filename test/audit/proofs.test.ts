import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startApi, type ApiUnderTest } from '../api/api-under-test.js';
import { verifyHistory } from '../../store/audit/verify.js';
import { asService } from '../../store/db/transaction.js';
import { Audited, type Entry } from './audited.js';
import { buildVerifier, type Question, type Verdict } from './verifier.js';

/** More than one tile, so that the tree has a part that is whole and one that grows. */
const TYPES = 300;
let api: ApiUnderTest;
let audited: Audited;
let ask: (question: Question) => Promise<Verdict>;
let verifierKey: string;
beforeAll(async () => {
  ask = await buildVerifier();
  api = await startApi('audit proofs');
  audited = await Audited.over(api);
  for (let n = 0; n < TYPES; n += 1) await makeType(n);
  ({ verifierKey } = await audited.key());
}, 300_000);
afterAll(() => api.close());

const makeType = (n: number) => api.call('POST', '/v1/device-types', { name: `Type ${n}`, slots: {} });
const get = async (path: string) => (await api.call('GET', path)).body.data as { index: number; proof: string[] };
const sql = (statement: string) => api.pool.query(statement);

const KEPT = 'entry, tenant_id, at, device_id, installation_id, rollout_id, event, data, number, hash';

/** Undoes what a test did to the rows: nothing else can. */
async function tampered(statement: string, look: () => Promise<void>): Promise<void> {
  await sql(`CREATE TABLE kept AS SELECT ${KEPT} FROM history`);
  await sql(statement);
  try {
    await look();
  } finally {
    await sql('DELETE FROM history');
    await sql(`INSERT INTO history (${KEPT}) OVERRIDING SYSTEM VALUE SELECT ${KEPT} FROM kept`);
    await sql('DROP TABLE kept');
  }
}

describe('An audit, to a verifier that is not ours', () => {
  it('has a signed checkpoint, and each line of the export is in its tree', async () => {
    const lines = await audited.lines();
    expect(lines).toHaveLength(TYPES);
    const checkpoint = await audited.checkpoint();
    const entries = await Promise.all(
      [0, 1, 17, 255, 256, TYPES - 1].map(async (n) => {
        const { entry } = JSON.parse(lines[n]!) as Entry;
        const { index, proof } = await get(`/v1/audit/proof?entry=${entry}&size=${checkpoint.size}`);
        return { line: lines[n]!, index, proof };
      }),
    );
    expect(await ask({ verifierKeys: [verifierKey], checkpoint: checkpoint.text, entries })).toEqual({
      ok: true,
      size: checkpoint.size,
    });
    const forged = { ...entries[3]!, line: entries[3]!.line.replace('Type 255', 'Type 999') };
    expect(await ask({ verifierKeys: [verifierKey], checkpoint: checkpoint.text, entries: [forged] })).toMatchObject({
      ok: false,
      entry: forged.index + 1,
    });
  });

  it('has a tree that began as the one that was seen before', async () => {
    const older = await audited.checkpoint();
    for (let n = 0; n < 20; n += 1) await makeType(TYPES + n);
    const now = await audited.checkpoint();
    expect(now.size).toBeGreaterThan(older.size);
    const { proof } = await get(`/v1/audit/consistency?from=${older.size}&to=${now.size}`);
    const question = { verifierKeys: [verifierKey], checkpoint: now.text, older: older.text };
    expect(await ask({ ...question, consistency: proof })).toMatchObject({ ok: true });
    expect(await ask({ ...question, consistency: [...proof].reverse() })).toMatchObject({ ok: false });
  });

  it('is refused under another key, and with another text', async () => {
    const { text } = await audited.checkpoint();
    const other = await startApi('audit of another installation');
    try {
      const { verifierKey: foreign } = await (await Audited.over(other)).key();
      expect(await ask({ verifierKeys: [foreign], checkpoint: text })).toMatchObject({ ok: false });
    } finally {
      await other.close();
    }
    const larger = text.replace(/\n\d+\n/, '\n999999\n');
    expect(await ask({ verifierKeys: [verifierKey], checkpoint: larger })).toMatchObject({ ok: false });
  });

  it('is whole in the form that is a proof by itself', async () => {
    const { text } = await audited.checkpoint();
    const proof = await audited.text('?form=proof');
    expect(await ask({ verifierKeys: [verifierKey], checkpoint: text, export: proof })).toMatchObject({ ok: true });
  });

  it.each<[string, string, number, string]>([
    [
      'that was changed',
      `UPDATE history SET data = jsonb_set(data, '{actor}', '"key:somebody"') WHERE number = 123`,
      123,
      'changed',
    ],
    [
      'that was changed in the part that grows',
      `UPDATE history SET at = at + interval '1 s' WHERE number = 290`,
      290,
      'changed',
    ],
    ['that is no longer an act', `UPDATE history SET event = 'slot' WHERE number = 40`, 40, 'changed'],
    ['that was removed', 'DELETE FROM history WHERE number = 200', 200, 'removed'],
    [
      'before which another one was put in',
      `UPDATE history SET number = -number WHERE number >= 50;
       UPDATE history SET number = 1 - number WHERE number < 0;
       INSERT INTO history (tenant_id, at, event, data, number, hash)
         SELECT tenant_id, at, event, data, 50, hash FROM history WHERE number = 60`,
      50,
      'changed',
    ],
  ])('names the entry %s', async (_how, statement, entry, what) => {
    const { text } = await audited.checkpoint();
    await tampered(statement, async () => {
      const proof = String((await api.call('GET', '/v1/audit/export?form=proof')).body);
      expect(await ask({ verifierKeys: [verifierKey], checkpoint: text, export: proof })).toMatchObject({
        ok: false,
        entry,
        error: what,
      });
      expect((await asService(api.pool, (tx) => verifyHistory(tx, 'default'))).broken?.entry).toBe(entry);
    });
    expect((await asService(api.pool, (tx) => verifyHistory(tx, 'default'))).broken).toBeUndefined();
  });

  it('refuses a proof of what the tree does not have', async () => {
    const { size } = await audited.checkpoint();
    for (const query of ['proof?entry=0', `proof?entry=${size + 1}`, `proof?entry=1&size=${size + 1}`])
      expect(await api.call('GET', `/v1/audit/${query}`)).toMatchObject({
        status: 400,
        body: { errorCode: 'AUDIT_RANGE' },
      });
    for (const query of ['from=0', `from=${size + 1}`, `from=1&to=${size + 1}`, 'from=5&to=4'])
      expect((await api.call('GET', `/v1/audit/consistency?${query}`)).body.errorCode).toBe('AUDIT_RANGE');
  });
});
