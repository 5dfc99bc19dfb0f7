import { mkdtempSync, readFileSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createLog } from '../../runtime/log.js';
import { freePort, isFree } from '../../workers/embedded/ports.js';
import { findTemporal } from '../../workers/embedded/temporal-binary.js';
import { until } from '../support/until.js';
import { startTemporal, type EmbeddedTemporal } from '../../workers/embedded/temporal.js';

const log = createLog('ui-proxy-test', 'silent');
const folder = mkdtempSync(join(tmpdir(), 'slipway-ui-'));
let server: EmbeddedTemporal;
let uiPort: number;
beforeAll(async () => {
  const { path } = await findTemporal({ log });
  uiPort = await freePort();
  server = await startTemporal({
    binary: path,
    dbFile: join(folder, 'temporal.db'),
    port: await freePort(),
    uiPort,
    namespace: 'default',
    log,
  });
}, 60_000);
afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** As a browser sends it: `fetch` of Node sets Host itself. */
function asked(
  path: string,
  headers: Record<string, string>,
  { method = 'GET', host = '127.0.0.1', port = uiPort } = {},
): Promise<{ status: number; headers: NodeJS.Dict<string | string[]> }> {
  return new Promise((resolve, reject) => {
    const one = request({ host, port, path, method, headers, agent: false }, (answer) => {
      answer.resume().once('end', () => resolve({ status: answer.statusCode!, headers: answer.headers }));
    });
    one.once('error', reject).end();
  });
}
const own = () => ({ host: `127.0.0.1:${uiPort}` });

/** Where the server listens, of IPv4. */
function listening(pid: number): { host: string; port: number }[] {
  const sockets = new Set(
    readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [];
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []; // closed meanwhile
        throw error;
      }
    }),
  );
  return readFileSync(`/proc/${pid}/net/tcp`, 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , , state, , , , , , inode]) => state === '0A' && sockets.has(inode ?? ''))
    .map(([, local = '']) => {
      const [address = '', port = ''] = local.split(':');
      const bytes = address.match(/../g) ?? [];
      return {
        host: bytes
          .reverse()
          .map((one) => parseInt(one, 16))
          .join('.'),
        port: parseInt(port, 16),
      };
    });
}

describe('The page of the embedded Temporal', () => {
  it('answers under its own address, its interface too, and in no frame', async () => {
    const path = '/namespaces/default/workflows/installation-1';
    const page = await asked(path, own());
    expect(page.status).toBe(200);
    expect(page.headers['content-security-policy']).toBe("frame-ancestors 'none'");
    // The page connects to the server when it is first asked.
    await until(
      'its interface answers',
      async () => (await asked('/api/v1/namespaces', { ...own(), 'sec-fetch-site': 'same-origin' })).status === 200,
    );
    expect((await asked(path, { host: `localhost:${uiPort}` })).status).toBe(200);
  });

  it('opens by a link of another site', async () => {
    const followed = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' };
    expect((await asked('/namespaces/default/workflows', { ...own(), ...followed })).status).toBe(200);
  });

  it.each([
    ['under a name that another site has lead to loopback', { host: 'evil.example' }],
    ['with the origin of another site', { origin: 'http://evil.example' }],
    ['with the origin of a file', { origin: 'null' }],
    ['with the origin of another port', { origin: 'http://127.0.0.1:1' }],
    ['in a page of another site', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' }],
    ['in a frame', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe' }],
  ])('refuses a request %s', async (_, headers) => {
    for (const method of ['GET', 'POST']) {
      const answer = await asked('/api/v1/namespaces', { ...own(), ...headers }, { method });
      expect(answer.status).toBe(403);
    }
  });

  it('is nowhere else where another site could find it', async () => {
    const open = listening(server.pid);
    expect(open.length).toBeGreaterThan(2);
    const answers = await Promise.all(
      open
        .filter(({ host }) => host === '127.0.0.1')
        .map(async (at) => {
          const answer = await asked('/api/v1/namespaces', { host: `127.0.0.1:${at.port}` }, at).catch(() => undefined);
          return answer?.status ?? 0;
        }),
    );
    expect(answers.filter((status) => status === 200)).toEqual([]);
    expect(open.filter(({ host }) => host !== '127.0.0.1')).toHaveLength(1);
  });

  it('gives its port back when the server ends', async () => {
    await server.stop();
    expect(await isFree(uiPort)).toBe(true);
  });
});
