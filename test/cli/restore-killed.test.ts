import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { migrate } from '../../store/db/migrate.js';
import { openPool } from '../../store/db/pool.js';
import { Facts } from '../support/facts.js';
import { until } from '../support/until.js';
import { admin, BACKUP_KEY, createEmptyDatabase, digests, Folder, type EmptyDatabase } from './admin.js';

let folder: Folder;
let source: EmptyDatabase;
beforeAll(async () => {
  [folder, source] = [await Folder.make(), await createEmptyDatabase('killed_source')];
  await migrate(source.url);
  const pool = openPool({ databaseUrl: source.url, name: 'test' });
  const facts = await new Facts(pool).begin();
  const sha256 = await folder.blob(folder.at('data'), randomBytes(5_000_000));
  const firmware = await facts.firmware(sha256, '1.0.0', 5_000_000);
  await facts.install(await facts.device(), firmware);
  await pool.end();
  expect(
    await admin(['backup', folder.at('backup')], { SLIPWAY_DATA_DIR: folder.at('data'), DATABASE_URL: source.url }),
  ).toMatchObject({ code: 0 });
});
afterAll(async () => {
  await source.drop();
  await folder.remove();
});

const dataDir = () => folder.at('restored');
const restore = () => admin(['restore', folder.at('backup')], { SLIPWAY_DATA_DIR: dataDir() });

/** Starts a restore and kills it, and it alone, as soon as there is something to see. */
async function killAt(what: string, seen: () => boolean): Promise<void> {
  const child = spawn(process.execPath, ['dist/cli/admin/main.js', 'restore', folder.at('backup')], {
    env: {
      PATH: process.env['PATH'],
      HOME: process.env['HOME'],
      SLIPWAY_DATA_DIR: dataDir(),
      SLIPWAY_BACKUP_KEY_FILE: BACKUP_KEY,
    },
    stdio: 'ignore',
  });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  await until(what, () => seen() || child.exitCode !== null, 30_000);
  child.kill('SIGKILL');
  await ended;
  expect(child.signalCode).toBe('SIGKILL');
}

/** Of the folder: by its name in the command line. Zombies are dead. */
const processes = (): string[] =>
  readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid) && Number(pid) !== process.pid)
    .filter((pid) => {
      try {
        return (
          readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(dataDir()) &&
          !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
        );
      } catch (error) {
        // It ended between the listing and the reading.
        if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
        throw error;
      }
    });

describe('A restore that is killed', () => {
  it('can be run again at any point; until it completes no service starts on the folder', async () => {
    const beside = `${dataDir()}/restoring/postgres`;
    await killAt(
      'its database is made',
      () => existsSync(beside) && readdirSync(beside).some((name) => /^\d+/.test(name)),
    );
    expect(existsSync(`${dataDir()}/postgres`)).toBe(false);
    const up = spawn(process.execPath, ['dist/workers/up.js'], {
      env: {
        PATH: process.env['PATH'],
        HOME: process.env['HOME'],
        SLIPWAY_DATA_DIR: dataDir(),
        SLIPWAY_HTTP_PORT: '0',
      },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    up.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
    expect(await new Promise((resolve) => up.once('close', resolve))).toBe(1);
    expect(said).toMatch(/a restore into .* broke off: run slipway-admin restore again, or remove/);
    await killAt(
      'its database runs',
      () => existsSync(beside) && readdirSync(beside).some((name) => existsSync(`${beside}/${name}/postmaster.pid`)),
    );
    expect(await restore()).toMatchObject({ code: 0, said: expect.stringMatching(/1 installations are open/) });
    expect(readdirSync(dataDir()).sort()).toEqual(['blobs', 'postgres']);
    await until('no process of it is left', () => processes().length === 0);
  }, 180_000);

  it('and from there a backup goes into a PostgreSQL of another version, with every row', async () => {
    expect(await admin(['backup', folder.at('again')], { SLIPWAY_DATA_DIR: dataDir() })).toMatchObject({ code: 0 });
    const target = await createEmptyDatabase('killed_target');
    try {
      const manifest = JSON.parse(readFileSync(folder.at('again', 'manifest.json'), 'utf8')) as { postgres: string };
      expect(Number.parseInt(manifest.postgres)).toBeGreaterThanOrEqual(18);
      expect(
        await admin(['restore', folder.at('again')], {
          SLIPWAY_DATA_DIR: folder.at('outside'),
          DATABASE_URL: target.url,
        }),
      ).toMatchObject({ code: 0 });
      expect(await digests(target.query)).toEqual(await digests(source.query));
      expect(existsSync(folder.at('outside', 'postgres'))).toBe(false);
    } finally {
      await target.drop();
    }
  }, 120_000);

  it('refuses a folder in which there is a Slipway already', async () => {
    expect(await restore()).toEqual({
      code: 1,
      said: expect.stringMatching(/restored is not empty \(it has postgres …\): restore into a new folder/),
    });
  }, 60_000);
});
