import { execFile } from 'node:child_process';
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SigningKey } from '../../api/audit/signing-key.js';
import { createPrivateFile, readFileIfAny } from '../../workers/embedded/private-file.js';
import { startApi, type ApiUnderTest } from '../api/api-under-test.js';
import { Audited } from './audited.js';
import { buildVerifier, type Question, type Verdict } from './verifier.js';

const run = promisify(execFile);
const ADMIN = new URL('../../dist/cli/admin/main.js', import.meta.url).pathname;
let api: ApiUnderTest;
let audited: Audited;
let ask: (question: Question) => Promise<Verdict>;
beforeAll(async () => {
  ask = await buildVerifier();
  api = await startApi('audit keys');
  audited = await Audited.over(api);
  await api.call('POST', '/v1/device-types', { name: 'T', slots: {} });
}, 300_000);
afterAll(() => api.close());

const file = () => join(api.folder, 'audit-key');
const admin = (...verbs: string[]) =>
  run(process.execPath, [ADMIN, '--data-dir', api.folder, 'audit', ...verbs], {
    env: { ...process.env, DATABASE_URL: api.databaseUrl },
    timeout: 60_000,
  });

describe('The key that signs the audit', () => {
  it('is a file that its owner alone reads, made at the first need', async () => {
    await audited.checkpoint();
    expect((await stat(file())).mode & 0o777).toBe(0o600);
  });

  it('that is changed is vouched for by the one before it, and the tree continues', async () => {
    const older = await audited.checkpoint();
    const { verifierKey: before } = await audited.key();
    expect((await admin('rotate-key')).stdout).toContain('holds the new key');
    const { verifierKey: after, rotations } = await audited.key();
    expect(after).not.toBe(before);
    expect(rotations).toHaveLength(1);
    expect(await ask({ verifierKeys: [before, after], checkpoint: rotations[0]! })).toMatchObject({ ok: true });
    await api.call('POST', '/v1/device-types', { name: 'later', slots: {} });
    const now = await audited.checkpoint();
    const { proof } = (await api.call('GET', `/v1/audit/consistency?from=${older.size}&to=${now.size}`)).body.data;
    expect(await ask({ verifierKeys: [after], checkpoint: now.text })).toMatchObject({ ok: true, size: now.size });
    expect(await ask({ verifierKeys: [before], checkpoint: now.text })).toMatchObject({ ok: false });
    expect(proof.length).toBeGreaterThan(0);
  });

  it.each<[string, () => Promise<void>, RegExp]>([
    ['is missing', () => rm(file()), /audit-key is missing: put the file of a backup there/],
    ['is empty', () => writeFile(file(), ''), /holds no private key in PEM/],
    [
      'is another one',
      async () => writeFile(file(), (await run('openssl', ['genpkey', '-algorithm', 'ed25519'])).stdout),
      /holds another key than the one this installation signs with/,
    ],
  ])('that %s is not replaced in silence: the answer says what to do', async (_how, damage, sentence) => {
    const kept = await readFile(file());
    await damage();
    try {
      // The process that signed until now has it in memory; one that starts now has only the file.
      const fresh = new SigningKey(api.pool, {
        path: file(),
        read: () => readFileIfAny(file()),
        create: (pem) => createPrivateFile(file(), pem),
      });
      await expect(fresh.signer()).rejects.toMatchObject({
        code: 'SERVICE_UNAVAILABLE',
        detail: expect.stringMatching(sentence),
      });
    } finally {
      await writeFile(file(), kept);
    }
  });

  it('is not needed to find what was changed by SQL', async () => {
    await audited.seal();
    expect((await admin('verify')).stdout).toMatch(/default: \d+ entries are as they were sealed/);
    await api.pool.query(`UPDATE history SET data = data || '{"actor": "key:nobody"}' WHERE number = 1`);
    const failed = (await admin('verify').catch((error: unknown) => error)) as { code: number; stdout: string };
    expect([failed.code, failed.stdout]).toEqual([2, expect.stringContaining('default: entry 1 is changed')]);
  });
});
