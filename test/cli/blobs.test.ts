import { createHash, randomBytes } from 'node:crypto';
import { readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { DeleteObjectCommand, ListObjectsV2Command, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { migrate } from '../../store/db/migrate.js';
import { openPool, type Pool } from '../../store/db/pool.js';
import { Facts } from '../support/facts.js';
import { TestedS3 } from '../support/versitygw.js';
import { admin, createEmptyDatabase, Folder, type EmptyDatabase, type Ran } from './admin.js';

let database: EmptyDatabase;
let pool: Pool;
let facts: Facts;
let s3: TestedS3;
let client: S3Client;
let folder: Folder;
/** What ready firmware of two tenants refers to: three contents, one of them by two firmwares. */
let contents: string[];

beforeAll(async () => {
  [database, s3, folder] = [await createEmptyDatabase('blobs'), await TestedS3.start(), await Folder.make()];
  client = s3.client();
  await migrate(database.url);
  pool = openPool({ databaseUrl: database.url, name: 'test' });
  facts = await new Facts(pool).begin();
  const other = await new Facts(pool, 'other').begin();
  contents = [];
  for (const bytes of [randomBytes(100), randomBytes(9_000_000), randomBytes(300_000)])
    contents.push(await ready(facts, bytes));
  await other.firmware(contents[0]!, '1.0.0', 100);
  // Of what was deleted, and of a draft, nothing is copied.
  const retired = await ready(facts, randomBytes(50));
  await facts.sql(`UPDATE firmwares SET state = 'retired' WHERE sha256 = $1`, [retired]);
  contents.sort();
});
afterAll(async () => {
  client.destroy();
  await s3.close();
  await pool.end();
  await database.drop();
  await folder.remove();
});
/** Each test begins with everything on the disk, and an empty bucket. */
beforeEach(async () => {
  for (const Key of await inBucket()) await client.send(new DeleteObjectCommand({ Bucket: s3.bucket, Key }));
});

async function ready(of: Facts, bytes: Buffer): Promise<string> {
  const sha256 = await folder.blob(folder.at('data'), bytes);
  await of.firmware(sha256, '1.0.0', bytes.length);
  return sha256;
}

const keyOf = (sha256: string): string => `blobs/${sha256.slice(0, 2)}/${sha256}`;
const fileOf = (dataDir: string, sha256: string): string => folder.at(dataDir, keyOf(sha256));
const inBucket = async (): Promise<string[]> =>
  ((await client.send(new ListObjectsV2Command({ Bucket: s3.bucket }))).Contents ?? []).map(({ Key }) => Key!).sort();

/** In the settings of a service that still keeps its blobs on the disk, with those of the bucket beside it. */
function run(args: string[], more: Record<string, string> = {}): Promise<Ran> {
  return admin(args, {
    ...s3.settings,
    SLIPWAY_BLOB_STORE: 'disk',
    DATABASE_URL: database.url,
    SLIPWAY_DATA_DIR: folder.at('data'),
    ...more,
  });
}
const toS3 = (...more: string[]) => run(['blobs', 'copy', '--from', 'disk', '--to', 's3', ...more]);

describe('slipway-admin blobs copy', () => {
  it('copies what ready firmware of any tenant refers to from the disk to S3, and nothing else', async () => {
    expect(await toS3()).toEqual({
      code: 0,
      said: '3 blobs of ready firmware, from disk to s3: 3 copied (9.3 MB), 0 there already.\n',
    });
    expect(await inBucket()).toEqual(contents.map(keyOf));
    expect(await run(['blobs', 'verify'], { SLIPWAY_BLOB_STORE: 's3' })).toEqual({
      code: 0,
      said: '3 blobs of ready firmware (9.3 MB) in s3: 3 are good.\n',
    });
  }, 60_000);

  it('and back from S3 to another disk', async () => {
    await toS3();
    const back = await run(['blobs', 'copy', '--from', 's3', '--to', 'disk'], {
      SLIPWAY_DATA_DIR: folder.at('another'),
    });
    expect(back).toEqual({
      code: 0,
      said: '3 blobs of ready firmware, from s3 to disk: 3 copied (9.3 MB), 0 there already.\n',
    });
    for (const sha256 of contents)
      expect(
        createHash('sha256')
          .update(await readFile(fileOf('another', sha256)))
          .digest('hex'),
      ).toBe(sha256);
    expect(await readdir(folder.at('another', 'blobs', 'incoming'))).toEqual([]);
  }, 60_000);

  it('continues where an earlier one broke off', async () => {
    await toS3();
    await client.send(new DeleteObjectCommand({ Bucket: s3.bucket, Key: keyOf(contents[1]!) }));
    // Half of it, as a careless tool leaves it.
    await client.send(new PutObjectCommand({ Bucket: s3.bucket, Key: keyOf(contents[2]!), Body: randomBytes(10) }));
    expect(await toS3()).toEqual({ code: 0, said: expect.stringMatching(/: 2 copied \(.*\), 1 there already\.\n$/) });
    expect(await run(['blobs', 'verify'], { SLIPWAY_BLOB_STORE: 's3' })).toMatchObject({ code: 0 });
  }, 60_000);

  it('checks hashes with --thorough, and replaces wrong bytes of the right length', async () => {
    await toS3();
    const size = (await readFile(fileOf('data', contents[0]!))).length;
    await client.send(new PutObjectCommand({ Bucket: s3.bucket, Key: keyOf(contents[0]!), Body: randomBytes(size) }));
    expect(await toS3()).toMatchObject({ code: 0, said: expect.stringContaining('0 copied (0 B), 3 there already') });
    expect(await run(['blobs', 'verify'], { SLIPWAY_BLOB_STORE: 's3' })).toEqual({
      code: 2,
      said: expect.stringMatching(
        new RegExp(`: 2 are good\\.\\n {2}damaged in s3: ${contents[0]} of "switch 1\\.0\\.0"\\n`),
      ),
    });
    expect(await toS3('--thorough')).toMatchObject({ code: 0, said: expect.stringContaining('1 copied') });
    expect(await run(['blobs', 'verify'], { SLIPWAY_BLOB_STORE: 's3' })).toMatchObject({ code: 0 });
  }, 60_000);

  it('ends with 2 and names what the source lacks or has damaged; the rest is copied', async () => {
    const [first, second] = [fileOf('data', contents[0]!), fileOf('data', contents[1]!)];
    const [before, bytes] = [await readFile(first), await readFile(second)];
    await rm(first);
    await writeFile(second, Buffer.concat([bytes.subarray(0, -1), Buffer.from([bytes.at(-1)! ^ 1])]));
    try {
      const ran = await toS3();
      expect(ran.code).toBe(2);
      for (const line of [
        `missing in disk: ${contents[0]}`,
        `damaged in disk: ${contents[1]}`,
        '2 could not be copied. The rest is in s3',
      ])
        expect(ran.said).toContain(line);
      expect(await inBucket()).toEqual([keyOf(contents[2]!)]);
    } finally {
      await writeFile(first, before);
      await writeFile(second, bytes);
    }
  }, 60_000);

  it('verify --heal takes damaged bytes away, or brings good ones from the other store', async () => {
    await toS3();
    const file = fileOf('data', contents[1]!);
    const bytes = await readFile(file);
    try {
      await writeFile(file, randomBytes(bytes.length));
      const healed = await run(['blobs', 'verify', '--heal', '--from', 's3']);
      expect(healed).toEqual({ code: 0, said: expect.stringContaining('healed from s3: 1 of 1') });
      expect((await readFile(file)).equals(bytes)).toBe(true);
      await writeFile(file, randomBytes(bytes.length));
      const removed = await run(['blobs', 'verify', '--heal']);
      expect(removed).toEqual({ code: 2, said: expect.stringContaining(`needs its bytes: ${contents[1]}`) });
      expect((await run(['blobs', 'verify'])).said).toContain(`missing in disk: ${contents[1]}`);
      expect((await run(['blobs', 'verify', '--heal', '--from', 'disk'])).code).toBe(1);
    } finally {
      await writeFile(file, bytes);
    }
  }, 60_000);

  it('says what it cannot do with a sentence, and ends with 1', async () => {
    expect(await run(['blobs', 'copy', '--from', 'disk', '--to', 'disk'])).toEqual({
      code: 1,
      said: 'slipway-admin: --from and --to are both "disk": there is nothing to copy\n',
    });
    expect(await run(['blobs', 'copy', '--from', 'disk', '--to', 's3'], { SLIPWAY_S3_BUCKET: '' })).toEqual({
      code: 1,
      said: expect.stringMatching(/SLIPWAY_S3_BUCKET is missing/),
    });
    expect(
      await run(['blobs', 'copy', '--from', 'disk', '--to', 's3'], { SLIPWAY_S3_BUCKET: 'nobody-made-it' }),
    ).toEqual({ code: 1, said: expect.stringMatching(/bucket/i) });
    expect(await run(['blobs', 'copy', '--from', 'tape', '--to', 's3'])).toEqual({
      code: 1,
      said: expect.stringMatching(/Allowed choices are disk, s3/),
    });
  }, 60_000);
});
