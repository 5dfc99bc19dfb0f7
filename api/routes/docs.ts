import type { Express } from 'express';
import swaggerUi from 'swagger-ui-express';
import { z } from 'zod';
import { contentSecurity } from '../http/content-security.js';
import { route, type Route } from '../http/route.js';

/** The document is made once, of the routes that run; it cannot hold itself before it is there, hence the function. */
export function openApiRoute(document: () => unknown): Route {
  return route({
    method: 'get',
    path: '/openapi.json',
    operationId: 'getOpenApi',
    summary: 'This document',
    tag: 'Health',
    permission: null,
    answers: {
      200: {
        description: 'OpenAPI 3.1',
        schema: z.record(z.string(), z.unknown()),
        example: { openapi: '3.1.0', info: { title: 'Slipway', version: '0.1.0' }, paths: {} },
      },
    },
    handle: async () => ({ status: 200, body: document() }),
  });
}

/** The same of the routes that devices call. */
export function deviceOpenApiRoute(document: () => unknown): Route {
  return route({
    method: 'get',
    path: '/openapi-devices.json',
    operationId: 'getDeviceOpenApi',
    summary: 'What devices may ask over HTTP',
    tag: 'Health',
    permission: null,
    answers: {
      200: {
        description: 'OpenAPI 3.1',
        schema: z.record(z.string(), z.unknown()),
        example: { openapi: '3.1.0', info: { title: 'Slipway for devices', version: '0.1.0' }, paths: {} },
      },
    },
    handle: async () => ({ status: 200, body: document() }),
  });
}

/**
 * The page that reads the document. Its files come from the package, not from a CDN: many networks with devices in them
 * reach none. The page itself is this one, because that of the package has styles in it, which the content security
 * policy does not allow.
 */
export function serveDocs(app: Express): void {
  const options = {
    swaggerOptions: { url: '/openapi.json', persistAuthorization: true, layout: 'BaseLayout' },
  };
  app.use('/docs', contentSecurity({ policies: ['default', 'dompurify'] }));
  app.get('/docs/trusted-types.js', (_request, response) => {
    response.status(200).type('text/javascript').send(TRUSTED_TYPES);
  });
  app.use('/docs', swaggerUi.serveFiles(undefined, options));
  app.get('/docs', (request, response) => {
    // Its files are named from this folder on.
    if (!request.path.endsWith('/')) return response.redirect(302, '/docs/');
    response.status(200).type('html').send(PAGE);
  });
}

/** The package cleans every text of the document with DOMPurify, and then sets it as a string. */
const TRUSTED_TYPES = `globalThis.trustedTypes?.createPolicy('default', { createHTML: (cleaned) => cleaned });\n`;

const PAGE = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <title>Slipway API</title>
    <link rel="stylesheet" href="./swagger-ui.css" />
    <link rel="icon" href="./favicon-32x32.png" type="image/png" />
  </head>
  <body>
    <div id="swagger-ui"></div>
    <script src="./trusted-types.js"></script>
    <script src="./swagger-ui-bundle.js"></script>
    <script src="./swagger-ui-standalone-preset.js"></script>
    <script src="./swagger-ui-init.js"></script>
  </body>
</html>
`;
