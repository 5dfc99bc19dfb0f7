// One PostgreSQL and one Temporal dev server for the whole run, both real, on free ports, gone with it. Where
// SLIPWAY_TEST_DATABASE_URL or SLIPWAY_TEST_TEMPORAL_ADDRESS is set, that server is used and nothing is started or
// stopped: so a developer can keep one running. Plain JavaScript over dist/, because jest loads this file before it can
// transform any.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));
const compiled = (path) => import(new URL(`../../dist/${path}`, import.meta.url));

export default async function setUp() {
  const closers = (globalThis.slipwayTestClosers = []);
  // `npm test` has built it already; a direct call of jest gets a first build here, and later ones by `npm run
  // build`.
  if (!existsSync(join(root, 'dist/workers/embedded/postgres.js')))
    execFileSync(process.execPath, ['build.js'], { cwd: root, stdio: 'inherit' });
  const { createLog } = await compiled('runtime/log.js');
  const log = createLog('tests', process.env.SLIPWAY_LOG_LEVEL || 'warn');
  const started = await Promise.allSettled([postgres(closers, log), temporal(closers, log)]);
  const failed = started.find(({ status }) => status === 'rejected');
  if (failed === undefined) return;
  // jest does not call the teardown after a failed set-up.
  await Promise.all(closers.map((close) => close()));
  throw failed.reason;
}

async function postgres(closers, log) {
  if (process.env.SLIPWAY_TEST_DATABASE_URL) return;
  const { startPostgres } = await compiled('workers/embedded/postgres.js');
  const { freePort } = await compiled('workers/embedded/ports.js');
  const dataDir = mkdtempSync(join(tmpdir(), 'slipway-test-postgres-'));
  // Registered before the start: a folder of a start that failed is removed too.
  let stop = async () => {};
  closers.push(async () => {
    await stop();
    rmSync(dataDir, { recursive: true, force: true });
  });
  const server = await startPostgres({
    dataDir,
    port: await freePort(),
    log,
    database: 'slipway_test',
    durable: false,
  });
  stop = server.stop;
  process.env.SLIPWAY_TEST_DATABASE_URL = server.url;
}

async function temporal(closers, log) {
  if (process.env.SLIPWAY_TEST_TEMPORAL_ADDRESS) return;
  const { findTemporal } = await compiled('workers/embedded/temporal-binary.js');
  const { startTemporal } = await compiled('workers/embedded/temporal.js');
  const { freePort } = await compiled('workers/embedded/ports.js');
  const { path } = await findTemporal({ log, cliPath: process.env.TEMPORAL_CLI_PATH });
  const server = await startTemporal({
    binary: path,
    dbFile: null,
    port: await freePort(),
    uiPort: null,
    namespace: 'default',
    log,
  });
  closers.push(server.stop);
  process.env.SLIPWAY_TEST_TEMPORAL_ADDRESS = server.address;
}
