import { fileAuthority } from '../../adapters/authority/file.js';
import { authorityFile } from '../../workers/embedded/authority-file.js';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { openDiskBlobs } from '../../adapters/blobs/disk.js';
import { OldHashThread } from '../../adapters/blobs/old-hash-thread.js';
import { createApp, type AppOptions } from '../../api/app.js';
import { ResultKey } from '../../api/jobs/result-key.js';
import { JobRunner } from '../../api/jobs/runner.js';
import { SigningKey } from '../../api/audit/signing-key.js';
import { Refusals } from '../../api/auth/refusals.js';
import { LiveEvents } from '../../api/live/live-events.js';
import type { Services } from '../../api/http/route.js';
import { Simulations } from '../../api/simulation/simulations.js';
import { OF_THE_INSTALLATION, PERMISSIONS, type Permission, type Role } from '../../domain/permissions.js';
import { createKey } from '../../store/commands/api-keys.js';
import { openPool, type Pool } from '../../store/db/pool.js';
import { asService } from '../../store/db/transaction.js';
import { createPrivateFile, readFileIfAny } from '../../workers/embedded/private-file.js';
import { createTestDatabase } from '../support/database.js';
import { OLD_HASH_WORKER, UPLOAD_WORKER } from '../support/upload-worker.js';
import { Description } from './described.js';

/** Threads load no TypeScript. */
export const COMPILED_WORKER = new URL('../../dist/api/simulation/worker.js', import.meta.url);

/** What a test reads of an answer; bodies are checked by the test itself. */
export interface Reply {
  status: number;
  headers: Headers;
  body: ReturnType<typeof JSON.parse>;
}

export interface Client {
  token: string;
  keyId: string;
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Reply>;
}

/** An owner of the tenant `default`, where nothing else is said. */
export interface ClientWanted {
  tenantId?: string;
  name?: string;
  role?: Role;
  permissions?: readonly Permission[];
  /** Epoch milliseconds. */
  expiresAt?: number;
}

export interface ApiUnderTest extends Client {
  url: string;
  databaseUrl: string;
  pool: Pool;
  description: Description;
  services: Services;
  live: LiveEvents;
  refusals: Refusals;
  /** The disk store's folder. */
  folder: string;
  /** For a further listener, such as one with TLS. */
  answer: RequestListener;
  /** Another process that works on jobs. */
  startRunner(): JobRunner;
  /** A client of another tenant, or with another role or permissions. */
  as(key: ClientWanted): Promise<Client>;
  close(): Promise<void>;
}

/**
 * The real API on a port of its own, over a database of its own; the client holds an owner's key of the tenant
 * `default`.
 */
export async function startApi(
  title: string,
  {
    services: changed = {},
    liveTimes,
    runsJobs = false,
    ...options
  }: Omit<AppOptions, 'services' | 'auditKey'> & {
    services?: Partial<Services>;
    liveTimes?: { heartbeatMs: number; lifetimeMs: number };
    /** Whether it works on jobs, as the process does. */
    runsJobs?: boolean;
  } = {},
): Promise<ApiUnderTest> {
  const database = await createTestDatabase(title);
  const folder = await mkdtemp(join(tmpdir(), 'slipway-api-'));
  const pool = openPool({ databaseUrl: database.url, name: 'api-test', max: 6 });
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  let runner: JobRunner | undefined;
  const oldHashes = new OldHashThread(OLD_HASH_WORKER);
  const services: Services = {
    pool,
    oldHashes,
    blobs: await openDiskBlobs(folder, { worker: UPLOAD_WORKER }),
    publicUrl: url,
    draftLifetimeMs: 300_000,
    simulations: new Simulations({ worker: COMPILED_WORKER, deadlineMs: 100_000 }),
    notifyOutbox: () => undefined,
    wakeJobs: () => runner?.wake(),
    now: Date.now,
    authority: fileAuthority(authorityFile(join(folder, 'device-authority.pem'))),
    log: pino({ level: 'silent' }),
    ...changed,
  };
  const live = new LiveEvents(services.pool, services.log, liveTimes);
  const refusals = new Refusals(services.pool, services.now, services.log);
  const auditKey = {
    path: join(folder, 'audit-key'),
    read: () => readFileIfAny(join(folder, 'audit-key')),
    create: (pem: string) => createPrivateFile(join(folder, 'audit-key'), pem),
  };
  const results = new ResultKey(new SigningKey(pool, auditKey));
  const startRunner = (): JobRunner =>
    new JobRunner(services.pool, services.now, services.log, services.notifyOutbox, results);
  if (runsJobs) runner = startRunner();
  const answer = createApp({ services, live, refusals, auditKey, ...options });
  server.on('request', answer);
  const description = new Description(await (await fetch(`${url}/openapi.json`)).json());

  const as = async ({
    tenantId = 'default',
    name = `key-${randomUUID()}`,
    ...grant
  }: ClientWanted): Promise<Client> => {
    await pool.query('INSERT INTO tenants (id) VALUES ($1) ON CONFLICT DO NOTHING', [tenantId]);
    const wanted = grant.permissions === undefined ? { role: 'owner' as const, ...grant } : grant;
    const maker = { tenantId, by: 'test', permissions: PERMISSIONS };
    const { view, key: token } = await asService(pool, (tx) => createKey(tx, maker, { name, ...wanted }, Date.now()));
    return {
      token,
      keyId: view.id,
      call: (method, path, body, headers) => request(url, description, token, method, path, body, headers),
    };
  };
  return {
    ...(await as({ name: 'bootstrap', role: 'owner', permissions: OF_THE_INSTALLATION })),
    url,
    databaseUrl: database.url,
    pool,
    description,
    services,
    live,
    refusals,
    folder,
    answer,
    startRunner,
    as,
    close: async () => {
      await live.end();
      await refusals.end();
      await runner?.end();
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      await pool.end();
      await services.blobs.close();
      await oldHashes.close();
      await rm(folder, { recursive: true, force: true });
      await database.drop();
    },
  };
}

/** Objects are sent as JSON, bytes and text as they are. Every answer is held against the OpenAPI document. */
async function request(
  url: string,
  description: Description,
  token: string,
  method: string,
  path: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<Reply> {
  const raw = typeof body === 'string' || body instanceof Uint8Array;
  const response = await fetch(url + path, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    redirect: 'manual',
    ...(body === undefined ? {} : { body: raw ? (body as string) : JSON.stringify(body) }),
  });
  const text = await response.text();
  const json = /[/+]json\b/.test(response.headers.get('content-type') ?? '') && text !== '';
  const reply = { status: response.status, headers: response.headers, body: json ? JSON.parse(text) : text };
  description.check(method, path, reply.status, response.headers.get('content-type') ?? '', reply.body);
  return reply;
}
