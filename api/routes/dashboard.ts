import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Express, Request } from 'express';
import sirv from 'sirv';

/** Files whose name has a hash of their content never change. */
const HASHED = /^\/assets\//;
const FOREVER = 'public, max-age=31536000, immutable';
/** Asked for again each time, and answered with 304 while it is the same: it names the hashed files. */
const CHECKED = 'no-cache';

/** First parts of paths that are not the dashboard's. What is unknown there stays an error in JSON. */
const OTHERS: ReadonlySet<string> = new Set([
  'v1',
  'docs',
  'tuf',
  'device',
  'download',
  'health',
  'metrics',
  'assets',
  'api',
  '.well-known',
]);
/** `/{tenant}/controller/v1/…`, as devices of hawkBit's DDI ask. */
const DDI = /^\/[^/]+\/controller(\/|$)/;

/**
 * Serves the dashboard at `/`, as the build made and compressed it. Its pages have addresses of their own: each of them
 * answers a browser that asks for text/html with the same file, and nothing else.
 * @param folder where the build put it; absent or without its files, `/` leads to the page of the API
 */
export function serveDashboard(app: Express, folder: string | undefined): void {
  if (folder === undefined || !existsSync(join(folder, 'index.html'))) {
    // A browser finds the way; a program that asks for JSON gets 404 as everywhere.
    app.get('/', (request, response, next) => {
      if (prefersHtml(request)) response.redirect(302, '/docs/');
      else next();
    });
    return;
  }
  const files = sirv(folder, {
    etag: true,
    brotli: true,
    gzip: true,
    setHeaders(response, path) {
      response.setHeader('Cache-Control', HASHED.test(path) ? FOREVER : CHECKED);
    },
  });
  app.use((request, response, next) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') return next();
    response.locals['path'] = 'dashboard';
    const pass = (): void => {
      delete response.locals['path'];
      next();
    };
    if (request.path === '/' ? prefersHtml(request) : isPage(request)) request.url = '/';
    else if (request.path === '/' || /\.(br|gz|json|html)$/.test(request.path)) return pass();
    response.vary('Accept');
    files(request, response, pass);
  });
}

function prefersHtml(request: Request): boolean {
  return request.accepts(['text/html', 'application/json']) === 'text/html';
}

/** A client that takes anything is a program, and is answered as one. */
function isPage(request: Request): boolean {
  const { path } = request;
  const [, first = ''] = path.split('/');
  return (
    /\btext\/html\b/i.test(request.headers.accept ?? '') &&
    prefersHtml(request) &&
    !OTHERS.has(first) &&
    !first.startsWith('openapi') &&
    !DDI.test(path) &&
    !/\.\w+$/.test(path)
  );
}
