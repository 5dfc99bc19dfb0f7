import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startApi, type ApiUnderTest } from '../api/api-under-test.js';
import { verifyHistory } from '../../store/audit/verify.js';
import { prune } from '../../store/commands/prune.js';
import { asService } from '../../store/db/transaction.js';
import { Audited, type Entry } from './audited.js';
import { buildVerifier, type Question, type Verdict } from './verifier.js';

const DAY = 86_400_000;
/** More than one tile goes, and another one in part. */
const OLD = 300;
const YOUNG = 20;
let api: ApiUnderTest;
let audited: Audited;
let ask: (question: Question) => Promise<Verdict>;
/** How far back the clock of the service is. */
let back = 50 * DAY;
let line: string;
let earlier: { text: string; size: number };
beforeAll(async () => {
  ask = await buildVerifier();
  api = await startApi('age of the audit', { services: { now: () => Date.now() - back } });
  audited = await Audited.over(api);
  for (let n = 0; n < OLD; n += 1) await makeType(n);
  [line] = (await audited.lines()) as [string];
  earlier = await audited.checkpoint();
  back = 0;
  for (let n = 0; n < YOUNG; n += 1) await makeType(OLD + n);
  await audited.seal();
  const broken: Error[] = [];
  const before = { history: Date.now() - 400 * DAY, acts: Date.now() - 30 * DAY };
  const round = prune(api.pool, audited.fence, before, (error) => broken.push(error));
  while ((await round.next()).done !== true);
  expect(broken).toEqual([]);
}, 300_000);
afterAll(() => api.close());

const makeType = (n: number) => api.call('POST', '/v1/device-types', { name: `Type ${n}`, slots: {} });
const get = async (path: string) => (await api.call('GET', path)).body.data as { index: number; proof: string[] };

describe('What people did before SLIPWAY_AUDIT_RETENTION', () => {
  it('is gone, and is said to be gone by 410', async () => {
    expect(await audited.lines()).toHaveLength(YOUNG);
    for (const entry of [1, OLD]) {
      const { status, body } = await api.call('GET', `/v1/audit/${entry}`);
      expect([status, body.errorCode]).toEqual([410, 'AUDIT_ENTRY_DROPPED']);
    }
    const { data } = (await api.call('GET', `/v1/audit/${OLD + 1}`)).body as { data: Entry };
    expect(data).toMatchObject({ entry: OLD + 1, action: 'device_type.create', after: { name: `Type ${OLD}` } });
    for (const none of [OLD + YOUNG + 1, 0, 'x'])
      expect((await api.call('GET', `/v1/audit/${none}`)).body.errorCode).toBe('AUDIT_ENTRY_NOT_FOUND');
  });

  it('is still proved by its leaf, to a verifier that is not ours', async () => {
    const { verifierKey } = await audited.key();
    const now = await audited.checkpoint();
    const { index, proof } = await get(`/v1/audit/proof?entry=1&size=${now.size}`);
    const { proof: consistency } = await get(`/v1/audit/consistency?from=${earlier.size}&to=${now.size}`);
    expect(
      await ask({
        verifierKeys: [verifierKey],
        checkpoint: now.text,
        entries: [{ line, index, proof }],
        older: earlier.text,
        consistency,
      }),
    ).toMatchObject({ ok: true, size: OLD + YOUNG });
  });

  it('leaves a chain and a tree that the service itself finds whole', async () => {
    expect(await asService(api.pool, (tx) => verifyHistory(tx, 'default'))).toEqual({ entries: OLD + YOUNG });
  });

  it('is dropped in the form that is a proof by itself, and what is left is verified', async () => {
    const { verifierKey } = await audited.key();
    const { text } = await audited.checkpoint();
    const question = { verifierKeys: [verifierKey], checkpoint: text };
    const whole = await audited.text('?form=proof');
    expect(whole.match(/"dropped":true/g)).toHaveLength(OLD);
    expect(await ask({ ...question, export: whole })).toMatchObject({ ok: true });
    const forged = whole.replace(`"Type ${OLD + 3}"`, '"Type 9"');
    expect(await ask({ ...question, export: forged })).toMatchObject({ ok: false, entry: OLD + 4, error: 'changed' });
    const removed = whole.replace(new RegExp(`\\{"entry":${OLD + 5},.*\n`), `{"entry":${OLD + 5},"missing":true}\n`);
    expect(await ask({ ...question, export: removed })).toMatchObject({ ok: false, entry: OLD + 5, error: 'removed' });
  });
});
