import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TestedAllInOne } from '../support/all-in-one.js';
import { TestedPostgres } from '../support/postgresql.js';
import { requireProgram } from '../support/programs.js';
import { TestedS3 } from '../support/versitygw.js';
import { freePort } from '../../workers/embedded/ports.js';
import { commandBlocks, type DocumentName } from './blocks.js';
import { ROWS } from './rows.js';
import { makeCheckout, walk } from './walk.js';

/** Programs that the commands name; all else is Node's, npm's or coreutils'. */
const TOOLS = ['curl', 'jq', 'openssl', 'mosquitto_sub', 'psql', 'setpriv'];
/** Below both limits a machine that is ten times slower than an idle one is through. */
const MOST_MS = 400_000;

const folder = mkdtempSync(join(tmpdir(), 'slipway-documents-'));
const service = new TestedAllInOne(join(folder, '.slipway'));
let s3: TestedS3;

beforeAll(async () => {
  for (const tool of TOOLS) requireProgram(tool, 'debian');
  makeCheckout(folder);
  mkdirSync(service.dataDir);
  s3 = await TestedS3.start();
  await service.start(240_000);
}, 300_000);
afterAll(async () => {
  await service.stop();
  await s3?.close();
  rmSync(folder, { recursive: true, force: true });
}, 120_000);

describe('The commands of', () => {
  const run = (document: DocumentName, where: string, env: Record<string, string>) =>
    walk(
      commandBlocks(document).map((block) => ({ block, row: ROWS[document][block.name] ?? { replaced: [] } })),
      { folder: where, env, ms: MOST_MS - 20_000 },
    );
  const well = { code: 0, differences: [], errors: '' };
  const addresses = () => {
    const { hostname, port } = new URL(service.endpoints.mqtt);
    return { HTTP: service.endpoints.http, MQTT_HOST: hostname, MQTT_PORT: port };
  };

  it.each(['README.md', 'docs/curl.md', 'docs/rollouts.md', 'docs/device-guide.md'] as const)(
    '%s do what it promises, on a new Slipway',
    async (document) => {
      expect(await run(document, folder, addresses())).toEqual(well);
    },
    MOST_MS,
  );

  it(
    'docs/backup.md do what it promises, beside that Slipway and an S3 server',
    async () => {
      expect(await run('docs/backup.md', folder, { ...s3.settings, SLIPWAY_BLOB_STORE: 'disk' })).toEqual(well);
    },
    MOST_MS,
  );

  /** With a Slipway that the document starts itself, on a data folder of its own. */
  const runAlone = async (document: DocumentName, env: Record<string, string>) => {
    const alone = mkdtempSync(join(tmpdir(), 'slipway-documents-'));
    chmodSync(alone, 0o755); // as root mosquitto becomes another user
    makeCheckout(alone);
    const ports = ['HTTP', 'MQTT', 'TEMPORAL', 'TEMPORAL_UI'].map((name) => [`SLIPWAY_${name}_PORT`, '0']);
    try {
      return await run(document, alone, { ...Object.fromEntries(ports), ...env });
    } finally {
      rmSync(alone, { recursive: true, force: true });
    }
  };

  it(
    'docs/mosquitto.md do what it promises: a Slipway on a mosquitto',
    async () => {
      expect(await runAlone('docs/mosquitto.md', { MQTT_PORT: String(await freePort()) })).toEqual(well);
    },
    MOST_MS,
  );

  it(
    'docs/operations.md do what it promises: a Slipway on a PostgreSQL, whose user has no more rights than it says',
    async () => {
      const postgres = await TestedPostgres.start();
      try {
        const env = { SUPERUSER: postgres.url, POSTGRES_PORT: new URL(postgres.url).port };
        expect(await runAlone('docs/operations.md', env)).toEqual(well);
      } finally {
        await postgres.close();
      }
    },
    MOST_MS,
  );
});
