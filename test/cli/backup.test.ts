import { randomBytes, randomUUID } from 'node:crypto';
import { cp, mkdir, readFile, readdir, stat, writeFile } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { migrate } from '../../store/db/migrate.js';
import { openPool, type Pool } from '../../store/db/pool.js';
import { seal } from '../../store/history/seal.js';
import { Facts } from '../support/facts.js';
import { admin, createEmptyDatabase, digests, Folder, run, sha256Of, type EmptyDatabase } from './admin.js';

let source: EmptyDatabase;
let pool: Pool;
let facts: Facts;
let folder: Folder;
let target: EmptyDatabase;

beforeAll(async () => {
  source = await createEmptyDatabase('backup_source');
  await migrate(source.url);
  pool = openPool({ databaseUrl: source.url, name: 'test' });
  facts = await new Facts(pool).begin();
});
afterAll(async () => {
  await pool.end();
  await source.drop();
});
beforeEach(async () => {
  folder = await Folder.make();
  target = await createEmptyDatabase('backup_target');
});
afterEach(async () => {
  await folder.remove();
  await target.drop();
});

const at = (dataDir: string, url: string) => ({ SLIPWAY_DATA_DIR: folder.at(dataDir), DATABASE_URL: url });
const backup = () => admin(['backup', folder.at('backup')], at('data', source.url));
const restore = (url = target.url) => admin(['restore', folder.at('backup')], at('restored', url));
/** Of a backup whose manifest the test changed. */
const restoreChanged = () => admin(['restore', '--unauthenticated', folder.at('backup')], at('restored', target.url));

/** A ready firmware with real bytes in the disk store of `data`. */
async function firmware(bytes: Buffer): Promise<{ id: string; sha256: string }> {
  const sha256 = await folder.blob(folder.at('data'), bytes);
  return { id: await facts.firmware(sha256, '1.0.0', bytes.length), sha256 };
}

/** Nothing of an earlier test must be looked for in this one's store. */
const forgetFirmware = () => facts.sql(`UPDATE firmwares SET state = 'retired'`);

async function sealAll(): Promise<void> {
  await facts.sql(
    `INSERT INTO leases (name, holder, epoch, expires_at) VALUES ('bridge', 'test', 7, now() + interval '1 hour') ON CONFLICT DO NOTHING`,
  );
  await seal(pool, { name: 'bridge', holder: 'test', epoch: 7 });
}

describe('slipway-admin backup and restore', () => {
  it('bring every row of every table and every blob back, byte for byte', async () => {
    const bytes = randomBytes(200_000);
    const { id, sha256 } = await firmware(bytes);
    const device = await facts.device();
    await facts.install(device, id);
    await facts.sql(
      `UPDATE devices SET description = $1, tags = $2, configuration = 'null', custom = $3 WHERE id = $4`,
      [
        'tab\tline\nback\\slash "quote" \u{1F6A2} \\N',
        ['a,b', '{', ''],
        JSON.stringify({ deep: { big: 12345678901234567890123n.toString(), null: null } }),
        device,
      ],
    );
    const other = await new Facts(pool, 'other').begin();
    await other.device();
    await sealAll();
    await writeFile(folder.at('data', 'admin-token'), 'a-token-of-this-installation\n', { mode: 0o600 });

    const made = await backup();
    expect(made).toMatchObject({
      code: 0,
      said: expect.stringMatching(
        /1 blobs of ready firmware: 1 copied \(200\.0 kB\), 0 there already[\s\S]* rows of \d+ tables, as of 20/,
      ),
    });
    const brought = await restore();
    expect(brought).toMatchObject({
      code: 0,
      said: expect.stringMatching(
        /with 1 blobs\. 1 installations are open and go on when Slipway starts\.\n {2}history of default: \d+ entries, the chain is whole\n {2}history of other/,
      ),
    });

    expect(await digests(target.query)).toEqual(await digests(source.query));
    expect(sha256Of(await readFile(folder.at('restored', 'blobs', sha256.slice(0, 2), sha256)))).toBe(sha256);
    expect(await readFile(folder.at('restored', 'admin-token'), 'utf8')).toBe('a-token-of-this-installation\n');
    for (const path of ['backup', 'backup/manifest.json', 'backup/admin-token', 'backup/database/api_keys.copy.gz'])
      expect([path, (await stat(folder.at(path))).mode & 0o077]).toEqual([path, 0]);
  }, 120_000);

  it('prepare the rows for a start without running processes and connected devices, with the remaining time', async () => {
    await forgetFirmware();
    const { id } = await firmware(randomBytes(10));
    const [device, waiting] = [await facts.device(), await facts.device()];
    const simple = await facts.deviceWithoutSlots();
    const { id: running } = await facts.install(device, id);
    const { id: queued } = await facts.install(waiting, id);
    await facts.sql(`UPDATE devices SET online = true, session = 's' WHERE id = $1`, [device]);
    await facts.sql(
      `UPDATE installations SET state = 'delivered', executing = true, revision = 3, process_started_at = now(), due_at = now() + interval '30 seconds' WHERE id = $1`,
      [running],
    );
    await facts.sql(
      `UPDATE installations SET state = 'delivered', executing = true, revision = 3, process_started_at = now(), due_at = now() + interval '30 seconds', deadline = now() + interval '31 seconds' WHERE id = $1`,
      [queued],
    );
    await facts.sql('DELETE FROM outbox');
    await sealAll();
    expect(await backup()).toMatchObject({ code: 0 });
    // As if an hour had passed since.
    const manifest = JSON.parse(await readFile(folder.at('backup', 'manifest.json'), 'utf8')) as { at: string };
    await writeFile(
      folder.at('backup', 'manifest.json'),
      JSON.stringify({ ...manifest, at: new Date(Date.parse(manifest.at) - 3_600_000).toISOString() }),
    );
    expect(await restoreChanged()).toMatchObject({ code: 0 });

    const [row] = await target.query<{ started: boolean; left: number }>(
      `SELECT process_started_at IS NOT NULL AS started, extract(epoch FROM due_at - now())::float AS left FROM installations WHERE id = $1`,
      [running],
    );
    expect(row).toEqual({ started: false, left: expect.closeTo(3_600, -2) });
    // What an operator set stays.
    const [bound] = await target.query<{ due: boolean }>(
      `SELECT due_at = deadline AS due FROM installations WHERE id = $1`,
      [queued],
    );
    expect(bound).toEqual({ due: true });
    const marks = await target.query<{ receiver: string; subject: string; is_start: boolean }>(
      `SELECT receiver, subject, is_start FROM outbox WHERE due_at <= now() AND leased_until IS NULL`,
    );
    for (const mark of [
      { receiver: 'workflow', subject: running, is_start: true },
      { receiver: 'document', subject: device, is_start: false },
      { receiver: 'document', subject: simple, is_start: false },
    ])
      expect(marks).toContainEqual(mark);
    expect(
      await target.query('SELECT online, session, hello_wanted_at IS NOT NULL AS asked FROM devices WHERE id = $1', [
        device,
      ]),
    ).toEqual([{ online: false, session: null, asked: true }]);
    expect(await target.query(`SELECT epoch, expires_at < now() AS free FROM leases`)).toEqual([
      { epoch: '7', free: true },
    ]);
  }, 120_000);

  it('continue the numbers of the history', async () => {
    await sealAll();
    await source.query('DELETE FROM device_diagnostics');
    expect(await admin(['backup', folder.at('backup'), '--without-blobs'], at('data', source.url))).toMatchObject({
      code: 0,
    });
    expect(await restore()).toMatchObject({ code: expect.any(Number) });
    const [before] = await source.query<{ entry: string }>('SELECT max(entry) AS entry FROM history');
    const [after] = await target.query<{ entry: string }>(
      `INSERT INTO history (tenant_id, at, event) VALUES ('default', now(), 'test') RETURNING entry`,
    );
    expect(Number(after!.entry)).toBeGreaterThan(Number(before!.entry));
  }, 120_000);

  it('bring the backup of an older version up to date', async () => {
    const old = await createEmptyDatabase('old_source');
    try {
      await migrate(old.url, '0001-facts');
      await old.query(`INSERT INTO tenants (id) VALUES ('of-old')`);
      expect(await admin(['backup', folder.at('backup')], at('data', old.url))).toMatchObject({ code: 0 });
      expect(await restore()).toMatchObject({ code: 0 });
      const schemaOf = (query: EmptyDatabase['query']) => query('SELECT name FROM kysely_migration ORDER BY 1');
      expect(await schemaOf(target.query)).toEqual(await schemaOf(source.query));
      expect(await target.query(`SELECT id FROM tenants ORDER BY 1`)).toEqual([{ id: 'default' }, { id: 'of-old' }]);
    } finally {
      await old.drop();
    }
  }, 120_000);

  it('see one moment, while others write', async () => {
    await forgetFirmware();
    let writing = true;
    let written = 0;
    // A device and its slot, always together: half of one would be another moment.
    const writer = (async () => {
      while (writing) {
        const id = randomUUID();
        await facts.sql(
          `WITH d AS (INSERT INTO devices (tenant_id, id, device_type_id, name) VALUES ('default', $1, $2, 'both') RETURNING id)
          INSERT INTO published_documents (tenant_id, device_id, slot, node) SELECT 'default', id, 'both', 'x' FROM d`,
          [id, facts.deviceTypeId],
        );
        written += 1;
      }
    })();
    const made = await backup();
    writing = false;
    await writer;
    expect(made.code).toBe(0);
    expect(await restore()).toMatchObject({ code: 0 });
    const [row] = await target.query<{ devices: number; slots: number }>(
      `SELECT (SELECT count(*)::int FROM devices WHERE name = 'both') AS devices, (SELECT count(*)::int FROM published_documents WHERE slot = 'both') AS slots`,
    );
    expect(row!.devices).toBe(row!.slots);
    expect(written).toBeGreaterThan(10);
  }, 120_000);

  it('report missing or damaged bytes, back up the rest, and exit with 2', async () => {
    await forgetFirmware();
    const [good, damaged, missing] = [
      await firmware(randomBytes(100)),
      await firmware(randomBytes(100)),
      await firmware(randomBytes(100)),
    ];
    const file = (sha256: string) => folder.at('data', 'blobs', sha256.slice(0, 2), sha256);
    await writeFile(file(damaged.sha256), randomBytes(100));
    await facts.sql('UPDATE firmwares SET sha256 = $2 WHERE id = $1', [missing.id, 'b'.repeat(64)]);
    const made = await backup();
    expect(made.code).toBe(2);
    expect(made.said).toContain(`damaged in disk: ${damaged.sha256} of "switch 1.0.0"`);
    expect(made.said).toContain(`missing in disk: ${'b'.repeat(64)}`);
    const brought = await restore();
    expect(brought.code).toBe(2);
    expect(brought.said).toContain(`missing in the backup: ${damaged.sha256}`);
    expect((await readdir(folder.at('restored', 'blobs'))).sort()).toEqual(
      [good.sha256.slice(0, 2), 'incoming', 'unfinished'].sort(),
    );
    await forgetFirmware();
  }, 120_000);

  it('work for an owner of the database who is no superuser, behind row-level security', async () => {
    const owner = { name: `owner_${randomBytes(4).toString('hex')}`, password: 'secret' };
    const server = process.env['SLIPWAY_TEST_DATABASE_URL']!;
    await run(server, `CREATE ROLE ${owner.name} LOGIN CREATEROLE NOSUPERUSER PASSWORD '${owner.password}'`);
    for (const role of ['slipway_api', 'slipway_worker'])
      await run(server, `GRANT ${role} TO ${owner.name} WITH ADMIN OPTION`);
    const databases = [await createEmptyDatabase('owned', owner), await createEmptyDatabase('owned', owner)] as const;
    try {
      await migrate(databases[0].url);
      const own = openPool({ databaseUrl: databases[0].url, name: 'test' });
      await (await new Facts(own, 'walled').begin()).device();
      await own.end();
      expect(await admin(['backup', folder.at('backup')], at('data', databases[0].url))).toMatchObject({ code: 0 });
      expect(await restore(databases[1].url)).toMatchObject({ code: 0 });
      const found = await digests(databases[1].query);
      expect(found).toEqual(await digests(databases[0].query));
      expect(found['devices']).toMatch(/^1 /);
      expect(await databases[1].query(`SELECT count(*)::int AS walls FROM pg_class WHERE relforcerowsecurity`)).toEqual(
        await databases[0].query(`SELECT count(*)::int AS walls FROM pg_class WHERE relforcerowsecurity`),
      );
    } finally {
      for (const one of databases) await one.drop();
      await run(server, `DROP ROLE ${owner.name}`);
    }
  }, 120_000);
});

describe('slipway-admin refuses with a sentence, and changes nothing', () => {
  let sound: Folder;
  beforeAll(async () => {
    sound = await Folder.make();
    await forgetFirmware();
    await mkdir(sound.at('data'));
    await writeFile(sound.at('data', 'admin-token'), 'a token of the service');
    expect(
      await admin(['backup', sound.at('backup')], { SLIPWAY_DATA_DIR: sound.at('data'), DATABASE_URL: source.url }),
    ).toMatchObject({ code: 0 });
  });
  afterAll(() => sound.remove());
  beforeEach(() => cp(sound.at('backup'), folder.at('backup'), { recursive: true }));

  it('to write a backup into a folder that has something in it', async () => {
    expect(await backup()).toEqual({
      code: 1,
      said: expect.stringMatching(/backup is not empty: name a folder that does not exist yet\n$/),
    });
  }, 60_000);

  it('to restore into a database that is not empty', async () => {
    await target.query('CREATE TABLE something (id int)');
    expect(await restore()).toEqual({
      code: 1,
      said: expect.stringMatching(/the database is not empty \(it has something …\)/),
    });
  }, 60_000);

  it('to restore into a data folder that has something in it', async () => {
    await mkdir(folder.at('data'));
    await writeFile(folder.at('data', 'precious'), 'x');
    expect(await admin(['restore', folder.at('backup')], { SLIPWAY_DATA_DIR: folder.at('data') })).toEqual({
      code: 1,
      said: expect.stringMatching(/data is not empty \(it has precious …\): restore into a new folder/),
    });
  }, 60_000);

  it('to restore a backup of which a table is damaged or missing', async () => {
    await writeFile(folder.at('backup', 'database', 'devices.copy.gz'), 'other bytes');
    expect(await restore()).toEqual({
      code: 1,
      said: expect.stringMatching(
        /devices\.copy\.gz is damaged: its SHA-256 is not the one in the manifest; nothing was changed/,
      ),
    });
    expect(await target.query(`SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace`)).toEqual([]);
  }, 60_000);

  it('to restore a backup of a newer version, or of another format', async () => {
    const path = folder.at('backup', 'manifest.json');
    const manifest = JSON.parse(await readFile(path, 'utf8')) as { migrations: string[] };
    await writeFile(
      path,
      JSON.stringify({ ...manifest, migrations: [...manifest.migrations, '9999-from-the-future'] }),
    );
    expect(await restoreChanged()).toEqual({
      code: 1,
      said: expect.stringMatching(/made by another version of Slipway.*"9999-from-the-future"/),
    });
    await writeFile(path, JSON.stringify({ ...manifest, format: 2 }));
    expect(await restoreChanged()).toEqual({
      code: 1,
      said: expect.stringMatching(/format is not one that this version of Slipway reads/),
    });
  }, 60_000);

  it('to back up what is no Slipway, and to restore what is no backup', async () => {
    expect(await admin(['backup', folder.at('another')], at('data', target.url))).toEqual({
      code: 1,
      said: expect.stringMatching(/none of Slipway's tables: is DATABASE_URL the right one\?/),
    });
    expect(await admin(['backup', folder.at('another')], { SLIPWAY_DATA_DIR: folder.at('nowhere') })).toEqual({
      code: 1,
      said: expect.stringMatching(/there is no Slipway in .*nowhere: set SLIPWAY_DATA_DIR/),
    });
    expect(await admin(['restore', folder.at('nothing')], at('restored', target.url))).toEqual({
      code: 1,
      said: expect.stringMatching(/nothing is no backup: it has no manifest\.json/),
    });
  }, 60_000);
});
