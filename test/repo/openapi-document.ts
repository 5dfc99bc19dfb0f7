import { fileAuthority } from '../../adapters/authority/file.js';
import { mkdtempSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { openDiskBlobs } from '../../adapters/blobs/disk.js';
import { createApp } from '../../api/app.js';
import { Simulations } from '../../api/simulation/simulations.js';
import { openPool } from '../../store/db/pool.js';

/** Of the address in the document: where `npm start` serves, so that an example can be copied. */
const PUBLIC_URL = 'http://127.0.0.1:8080';
/** Nothing is simulated here, so no thread is started. */
const NO_WORKER = new URL('../../dist/api/simulation/worker.js', import.meta.url);

/**
 * The OpenAPI document of the code as it stands, as the API itself serves it. The API is made, and neither a database
 * nor a broker is asked: the document is made of the routes alone.
 */
export async function openApiOfTheCode(): Promise<object> {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-openapi-'));
  const pool = openPool({ databaseUrl: 'postgres://127.0.0.1:1/none', name: 'openapi', max: 1 });
  const blobs = await openDiskBlobs(folder);
  const log = pino({ level: 'silent' });
  const app = createApp({
    services: {
      pool,
      blobs,
      publicUrl: PUBLIC_URL,
      draftLifetimeMs: 300_000,
      simulations: new Simulations({ worker: NO_WORKER, deadlineMs: 1_000 }),
      notifyOutbox: () => undefined,
      wakeJobs: () => undefined,
      now: Date.now,
      authority: fileAuthority({ read: () => undefined, create: () => true }),
      log,
    },
    auditKey: { path: '', read: () => undefined, create: () => true },
  });
  const server = app.listen(0, '127.0.0.1');
  try {
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as AddressInfo;
    return (await (await fetch(`http://127.0.0.1:${port}/openapi.json`)).json()) as object;
  } finally {
    server.closeAllConnections();
    server.close();
    await pool.end();
    await blobs.close();
    rmSync(folder, { recursive: true, force: true });
  }
}
