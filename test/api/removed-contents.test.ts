import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { removeMarkedContents } from '../../api/http/content-removal.js';
import { openDiskBlobs } from '../../adapters/blobs/disk.js';
import type { BlobStore } from '../../adapters/blobs/port.js';
import { beginRemoval } from '../../store/fleet/removable-contents.js';
import { UPLOAD_WORKER } from '../support/upload-worker.js';
import { until } from '../support/until.js';
import { startApi, type ApiUnderTest } from './api-under-test.js';

/** A store whose removals take as long as the test says: S3 may take a minute. */
class SlowToRemove {
  asked = 0;
  private waiting: (() => void)[] = [];
  isSlow = false;
  /** It refuses to remove these, as one whose policy forbids it, or a damaged disk. */
  readonly refused = new Set<string>();

  constructor(readonly store: BlobStore) {
    const remove = store.remove.bind(store);
    store.remove = async (sha256) => {
      this.asked += 1;
      if (this.isSlow) await new Promise<void>((resolve) => this.waiting.push(resolve));
      if (this.refused.has(sha256)) throw new Error('the store refuses to remove it');
      await remove(sha256);
    };
  }

  release(): void {
    this.isSlow = false;
    for (const go of this.waiting.splice(0)) go();
  }
}

let api: ApiUnderTest;
let slow: SlowToRemove;
let folder: string;
beforeAll(async () => {
  const { mkdtemp } = await import('node:fs/promises');
  folder = await mkdtemp('/tmp/slipway-removed-');
  slow = new SlowToRemove(await openDiskBlobs(folder, { worker: UPLOAD_WORKER }));
  api = await startApi('removed_contents', { services: { blobs: slow.store } });
});
afterAll(async () => {
  await api.close();
  const { rm } = await import('node:fs/promises');
  await rm(folder, { recursive: true, force: true });
});

async function upload(bytes: Buffer): Promise<{ id: string; status: number; sha256: string }> {
  const { body: made } = await api.call('POST', '/v1/firmwares', { name: 'switch', version: '1.5.0' });
  const { id } = made.data as { id: string };
  const answer = await fetch(`${api.url}/v1/firmwares/${id}/blob`, {
    method: 'POST',
    headers: { authorization: `Bearer ${api.token}`, 'content-type': 'application/octet-stream' },
    body: bytes,
  });
  const { createHash } = await import('node:crypto');
  return { id, status: answer.status, sha256: createHash('sha256').update(bytes).digest('hex') };
}
const remove = async (id: string) => (await api.call('DELETE', `/v1/firmwares/${id}`)).status;
const marked = async () =>
  (await api.pool.query<{ sha256: string }>('SELECT sha256 FROM removable_contents')).rows.map((row) => row.sha256);

describe('The bytes of a deleted firmware', () => {
  it('do not vanish under a firmware that the same bytes were uploaded for, however long the store takes', async () => {
    const bytes = randomBytes(5_000);
    const first = await upload(bytes);
    slow.isSlow = true;
    const { asked } = slow;
    const deleting = remove(first.id);
    await until('the store is asked to remove them', () => slow.asked > asked, 60_000);
    // PostgreSQL ends what idles in a transaction after 15 s: no lock may hang on the store's answer.
    const uploading = upload(bytes);
    await until(
      'nothing idles in a transaction',
      async () =>
        (
          await api.pool.query(
            `SELECT FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'
               AND state_change < clock_timestamp() - interval '2 seconds'`,
          )
        ).rowCount === 0,
      60_000,
    );
    expect(await deleting).toBe(204);
    slow.release();
    const second = await uploading;
    expect(second.status).toBe(200);
    await until('the removal has ended', async () => (await marked()).length === 0, 60_000);
    expect(await removeMarkedContents(api.pool, slow.store)).toBe(0);
    expect(await slow.store.stat(second.sha256)).toEqual({ size: 5_000 });
    expect(await remove(second.id)).toBe(204);
    expect(await slow.store.stat(second.sha256)).toBeUndefined();
  }, 240_000);

  it('stay while another firmware has them, and go with the last', async () => {
    const bytes = randomBytes(5_000);
    const [first, second] = [await upload(bytes), await upload(bytes)];
    expect(await remove(first.id)).toBe(204);
    expect(await slow.store.stat(first.sha256)).toEqual({ size: 5_000 });
    expect(await marked()).toEqual([]);
    expect(await remove(second.id)).toBe(204);
    expect(await slow.store.stat(first.sha256)).toBeUndefined();
  }, 120_000);

  it('are removed by a later round where a process was killed: before it began, and in the middle', async () => {
    const [one, other] = [await upload(randomBytes(100)), await upload(randomBytes(200))];
    await api.pool.query('UPDATE firmwares SET state = $1 WHERE id = ANY($2::uuid[])', ['retired', [one.id, other.id]]);
    await api.pool.query('INSERT INTO removable_contents (sha256) VALUES ($1), ($2)', [one.sha256, other.sha256]);
    expect(await beginRemoval(api.pool, other.sha256, other.id)).toBe(true);
    // It may live: the bytes are left to it, and nothing else begins with them.
    expect(await removeMarkedContents(api.pool, slow.store)).toBe(1);
    expect(await slow.store.stat(one.sha256)).toBeUndefined();
    expect(await slow.store.stat(other.sha256)).toBeDefined();
    await api.pool.query(`UPDATE removable_contents SET removing_since = now() - interval '1 hour'`);
    expect(await removeMarkedContents(api.pool, slow.store)).toBe(1);
    expect(await slow.store.stat(other.sha256)).toBeUndefined();
    expect(await marked()).toEqual([]);
  }, 120_000);

  it('may come again where the store never removes them, and hold up the removal of no others', async () => {
    const bytes = randomBytes(5_000);
    const [first, other] = [await upload(bytes), await upload(randomBytes(300))];
    slow.refused.add(first.sha256);
    expect(await remove(first.id)).toBe(204);
    const longAgo = (minutes: number) =>
      api.pool.query(`UPDATE removable_contents SET removing_since = now() - $1 * interval '1 minute'`, [minutes]);
    // Every round asks the store again, and is refused again.
    await longAgo(20);
    await expect(removeMarkedContents(api.pool, slow.store)).rejects.toThrow('refuses');
    expect(await marked()).toEqual([first.sha256]);
    await api.pool.query('UPDATE firmwares SET state = $1 WHERE id = $2', ['retired', other.id]);
    await api.pool.query('INSERT INTO removable_contents (sha256) VALUES ($1)', [other.sha256]);
    await longAgo(2);
    await api.pool.query('UPDATE removable_contents SET removing_since = NULL WHERE sha256 = $1', [other.sha256]);
    expect(await removeMarkedContents(api.pool, slow.store)).toBe(1);
    expect(await marked()).toEqual([first.sha256]);
    const second = await upload(bytes);
    expect(second.status).toBe(200);
    await longAgo(20);
    expect(await removeMarkedContents(api.pool, slow.store)).toBe(0);
    expect(await marked()).toEqual([]);
    expect(await slow.store.stat(first.sha256)).toEqual({ size: 5_000 });
  }, 120_000);
});
