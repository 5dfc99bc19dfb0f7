import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { migrate } from '../../store/db/migrate.js';
import { admin, createEmptyDatabase, Folder, type EmptyDatabase } from './admin.js';

/** A manifest as an attacker sees it. */
interface Raw {
  at: string;
  files: string[];
  tables: { name: string }[];
  contents: unknown[];
  mac?: unknown;
}

let sound: Folder;
let folder: Folder;
let target: EmptyDatabase;
beforeAll(async () => {
  sound = await Folder.make();
  const source = await createEmptyDatabase('trust_source');
  await migrate(source.url);
  await mkdir(sound.at('data'));
  await writeFile(sound.at('data', 'admin-token'), 'a token of the service');
  const settings = { SLIPWAY_DATA_DIR: sound.at('data'), DATABASE_URL: source.url };
  expect(await admin(['backup', sound.at('backup')], settings)).toMatchObject({ code: 0 });
  await source.drop();
});
afterAll(() => sound.remove());
beforeEach(async () => {
  [folder, target] = [await Folder.make(), await createEmptyDatabase('trust_target')];
  await cp(sound.at('backup'), folder.at('backup'), { recursive: true });
});
afterEach(async () => {
  await folder.remove();
  await target.drop();
});

const at = (url: string) => ({ SLIPWAY_DATA_DIR: folder.at('restored'), DATABASE_URL: url });
const restore = (...flags: string[]) => admin(['restore', ...flags, folder.at('backup')], at(target.url));

describe('slipway-admin refuses, and changes nothing,', () => {
  const change = async (to: (manifest: Raw) => void): Promise<void> => {
    const path = folder.at('backup', 'manifest.json');
    const manifest = JSON.parse(await readFile(path, 'utf8')) as Raw;
    to(manifest);
    await writeFile(path, JSON.stringify(manifest));
  };

  it.each<[string, (manifest: Raw) => void, RegExp]>([
    [
      'a file',
      (it) => (it.files = ['../../planted']),
      /files\.0 is not one of admin-token, audit-key, device-authority\.pem, ports\.json/,
    ],
    ['an absolute file', (it) => (it.files = ['/etc/planted']), /files\.0 is not one of/],
    ['a table', (it) => (it.tables[0]!.name = '../planted'), /tables\.0\.name is not the name of a table/],
    ['a blob', (it) => (it.contents = [{ sha256: '../../planted', size: 1, firmware: 'x' }]), /is not a SHA-256/],
  ])('to restore a backup that leads outside of its folder by the name of %s', async (_what, to, sentence) => {
    await change(to);
    expect(await restore('--unauthenticated')).toEqual({ code: 1, said: expect.stringMatching(sentence) });
    expect(await target.query(`SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace`)).toEqual([]);
    expect(existsSync(folder.at('planted'))).toBe(false);
  });

  it.each<[string, (manifest: Raw) => void, RegExp]>([
    ['whose manifest was changed', (it) => (it.at = '2020-01-01T00:00:00Z'), /is not authentic: its manifest was/],
    ['whose signature was changed', (it) => (it.mac = 'f'.repeat(64)), /is not authentic/],
    ['whose signature is not text', (it) => (it.mac = 7), /is not authentic/],
    ['whose signature was removed', (it) => delete it.mac, /was made without a key, and cannot be authenticated/],
  ])('to restore a backup %s', async (_what, to, sentence) => {
    await change(to);
    expect(await restore()).toEqual({ code: 1, said: expect.stringMatching(sentence) });
  });

  it('to restore a backup of another key, or without a key, or whose token was exchanged', async () => {
    await writeFile(folder.at('other.key'), randomBytes(48).toString('base64'));
    const by = (path: string) =>
      admin(['restore', folder.at('backup')], { ...at(target.url), SLIPWAY_BACKUP_KEY_FILE: path });
    expect(await by(folder.at('other.key'))).toMatchObject({ said: expect.stringMatching(/made with another key/) });
    expect(await by('')).toMatchObject({
      code: 1,
      said: expect.stringMatching(/set SLIPWAY_BACKUP_KEY_FILE to the key/),
    });
    expect(await by(folder.at('no.key'))).toMatchObject({ code: 1, said: expect.stringMatching(/ENOENT.*; make one/) });
    await writeFile(folder.at('short.key'), 'short\n');
    expect(await by(folder.at('short.key'))).toMatchObject({
      said: expect.stringMatching(/at least 32; make one with/),
    });
    await writeFile(folder.at('backup', 'admin-token'), 'a token of the attacker');
    expect(await restore()).toMatchObject({
      code: 1,
      said: expect.stringMatching(/admin-token is damaged: its SHA-256 is not the one in the manifest/),
    });
  }, 60_000);

  it('to sign with a key that is too short or missing, and says how to make one', async () => {
    await writeFile(folder.at('short.key'), 'short\n');
    for (const [path, sentence] of [
      [folder.at('short.key'), /has 5 bytes, and a key has at least 32; make one with/],
      [folder.at('no.key'), /ENOENT.*; make one with/],
    ] as const)
      expect(await admin(['backup', folder.at('new')], { ...at(target.url), SLIPWAY_BACKUP_KEY_FILE: path })).toEqual({
        code: 1,
        said: expect.stringMatching(sentence),
      });
  });
});

describe('slipway-admin', () => {
  it('restores a backup that its key vouches for, with its files', async () => {
    expect(await restore()).toMatchObject({ code: 0 });
    expect(await readFile(folder.at('restored', 'admin-token'), 'utf8')).toBe('a token of the service');
  });

  it('says of a backup without a key that it is not signed', async () => {
    const unsigned = { ...at(target.url), SLIPWAY_BACKUP_KEY_FILE: '' };
    await migrate(target.url);
    expect(await admin(['backup', folder.at('unsigned')], unsigned)).toEqual({
      code: 0,
      said: expect.stringMatching(/It is not signed: .* restore asks for --unauthenticated/),
    });
    const other = await createEmptyDatabase('trust_unsigned');
    const into = { SLIPWAY_DATA_DIR: folder.at('restored'), DATABASE_URL: other.url, SLIPWAY_BACKUP_KEY_FILE: '' };
    expect(await admin(['restore', folder.at('unsigned')], into)).toMatchObject({ code: 1 });
    expect(await admin(['restore', '--unauthenticated', folder.at('unsigned')], into)).toMatchObject({ code: 0 });
    await other.drop();
  });
});
