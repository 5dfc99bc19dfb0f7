import { fileAuthority } from '../../adapters/authority/file.js';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { openDiskBlobs } from '../../adapters/blobs/disk.js';
import { createApp } from '../../api/app.js';
import { Waits } from '../../api/devices/waits.js';
import { Simulations } from '../../api/simulation/simulations.js';
import { CHANNEL } from '../../store/outbox/outbox.js';
import { Listener } from '../../store/outbox/listen.js';
import type { Pool } from '../../store/db/pool.js';
import { createPrivateFile, readFileIfAny } from '../../workers/embedded/private-file.js';
import { UPLOAD_WORKER } from './upload-worker.js';

/** One more API over a database that is there: it listens to it as the process does. */
export class ApiBeside {
  private constructor(
    readonly url: string,
    readonly waits: Waits,
    private readonly server: Server,
    private readonly closing: () => Promise<void>,
  ) {}

  static async start(pool: Pool, databaseUrl: string): Promise<ApiBeside> {
    const folder = await mkdtemp(join(tmpdir(), 'slipway-api-'));
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const log = pino({ level: 'silent' });
    const blobs = await openDiskBlobs(folder, { worker: UPLOAD_WORKER });
    const waits = new Waits(pool, log);
    const listener = new Listener(
      databaseUrl,
      () => waits.wake(),
      () => undefined,
    );
    const path = join(folder, 'audit-key');
    const app = createApp({
      services: {
        pool,
        blobs,
        publicUrl: url,
        draftLifetimeMs: 300_000,
        simulations: new Simulations(),
        notifyOutbox: () => void pool.query(`NOTIFY ${CHANNEL}`).catch(() => undefined),
        wakeJobs: () => undefined,
        now: Date.now,
        authority: fileAuthority({ read: () => undefined, create: () => true }),
        log,
      },
      waits,
      auditKey: { path, read: () => readFileIfAny(path), create: (pem) => createPrivateFile(path, pem) },
    });
    server.on('request', app);
    return new ApiBeside(url, waits, server, async () => {
      await listener.end();
      await blobs.close();
      await rm(folder, { recursive: true, force: true });
    });
  }

  async close(): Promise<void> {
    this.waits.end();
    this.server.closeAllConnections();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
    await this.closing();
  }
}
