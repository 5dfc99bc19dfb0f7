import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser } from '@playwright/test';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startApi, type ApiUnderTest } from '../api/api-under-test.js';
import { openBrowser, openPage } from './browser.js';

const FOLDER = 'dist/web';
const HTML = 'text/html,application/xhtml+xml,*/*;q=0.8';
/** Bytes, as they go over the wire, of the scripts and styles that a page needs before it shows anything. */
const MOST_AT_FIRST = 200_000;

let api: ApiUnderTest;
let browser: Browser;

beforeAll(async () => {
  [api, browser] = await Promise.all([startApi('dashboard served', { dashboard: FOLDER }), openBrowser()]);
});
afterAll(async () => {
  await browser?.close();
  await api?.close();
});

const get = (path: string, accept = HTML, headers: Record<string, string> = {}) =>
  fetch(`${api.url}${path}`, { headers: { accept, ...headers }, redirect: 'manual' });

describe('The dashboard', () => {
  it.each(['/', '/devices', '/devices/123e4567-e89b-12d3-a456-426655440002?tab=timeline', '/no/such/page'])(
    'answers a browser at %s with its page, which is asked for again each time',
    async (path) => {
      const response = await get(path);
      expect([response.status, response.headers.get('content-type'), response.headers.get('cache-control')]).toEqual([
        200,
        'text/html;charset=utf-8',
        'no-cache',
      ]);
      expect(await response.text()).toContain('<div id="root">');
    },
  );

  it.each([
    ['/v1/nothing', 404],
    ['/v1/me', 401],
    ['/tuf/default/1.root.json', 404],
    ['/device/v1/nothing', 404],
    ['/openapi-nothing', 404],
    ['/health/nothing', 404],
    ['/metrics/nothing', 404],
    ['/.well-known/nothing', 404],
    ['/api/nothing', 404],
    ['/download/nothing', 404],
    ['/assets/nothing.js', 404],
    ['/manifest.json', 404],
  ])('leaves %s to the service, also for a browser', async (path, status) => {
    const response = await get(path);
    expect([response.status, response.headers.get('content-type')]).toEqual([
      status,
      'application/json; charset=utf-8',
    ]);
    await response.body?.cancel();
  });

  it("leaves hawkBit's device interface to the service, also for a browser", async () => {
    const response = await get('/default/controller/v1/device-1');
    expect([response.status, await response.text()]).toEqual([401, '']);
  });

  it.each([
    ['/devices', '*/*'],
    ['/devices', 'application/json'],
    ['/', 'application/json'],
  ])('answers %s for a program that accepts %s with an error in JSON', async (path, accept) => {
    const response = await get(path, accept);
    expect([response.status, response.headers.get('content-type')]).toEqual([404, 'application/json; charset=utf-8']);
    await response.body?.cancel();
  });

  it('sends hashed files compressed, to be kept for ever', async () => {
    const [script] = /\/assets\/[^"]+\.js/.exec(readFileSync(join(FOLDER, 'index.html'), 'utf8'))!;
    for (const encoding of ['br', 'gzip']) {
      const response = await get(script, '*/*', { 'accept-encoding': encoding });
      expect([
        response.status,
        response.headers.get('content-encoding'),
        response.headers.get('cache-control'),
      ]).toEqual([200, encoding, 'public, max-age=31536000, immutable']);
      await response.body?.cancel();
    }
  });

  it(`needs at most ${MOST_AT_FIRST / 1000} kB for each of its routes at first load, compressed`, () => {
    interface Chunk {
      file: string;
      css?: string[];
      imports?: string[];
      isEntry?: boolean;
      isDynamicEntry?: boolean;
    }
    const manifest = JSON.parse(readFileSync(join(FOLDER, 'manifest.json'), 'utf8')) as Record<string, Chunk>;
    const filesOf = (name: string, found = new Set<string>()): Set<string> => {
      const { file, css = [], imports = [] } = manifest[name]!;
      if (found.has(file)) return found;
      for (const one of [file, ...css]) found.add(one);
      for (const one of imports) filesOf(one, found);
      return found;
    };
    const sent = (file: string) =>
      statSync(join(FOLDER, `${file}.gz`), { throwIfNoEntry: false })?.size ?? statSync(join(FOLDER, file)).size;
    const entry = Object.keys(manifest).find((name) => manifest[name]!.isEntry === true)!;
    const worker = readdirSync(join(FOLDER, 'assets')).filter((name) => /^worker-.*\.js\.gz$/.test(name));
    const routes = Object.keys(manifest).filter((name) => name.startsWith('pages/'));
    expect(routes.length).toBeGreaterThan(0);
    const bytes = routes.map((route) => {
      const files = filesOf(route, filesOf(entry));
      const sum = [...files].reduce((total, file) => total + sent(file), 0);
      return [
        route,
        sum + worker.reduce((total, name) => total + statSync(join(FOLDER, 'assets', name)).size, 0),
      ] as const;
    });
    process.stdout.write(`${bytes.map(([route, sum]) => `${route} ${Math.round(sum / 1000)} kB`).join(', ')}\n`);
    expect(bytes.filter(([, sum]) => sum > MOST_AT_FIRST)).toEqual([]);
  });
});

describe('The page of the API', () => {
  it('works under the same content security policy, but for the name of its trusted types', async () => {
    const { page, faults, close } = await openPage(browser, api.url);
    const policyOf = async (path: string) =>
      (await get(path)).headers.get('content-security-policy')!.replace(/trusted-types [^;]*/, '');
    expect(await policyOf('/docs/')).toBe(await policyOf('/'));
    expect(await policyOf('/')).toContain("script-src 'self';style-src 'self';");
    await page.goto('/docs');
    await page.getByRole('heading', { name: /^Slipway/ }).waitFor();
    await page
      .getByRole('button', { name: /Who the token is/ })
      .first()
      .click();
    await page.getByText('123e4567-e89b-42d3-a456-426655440060').first().waitFor();
    expect(faults).toEqual([]);
    await close();
  });
});
