import type { Express } from 'express';
import swaggerUi from 'swagger-ui-express';
import { z } from 'zod';
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
 * reach none.
 */
export function serveDocs(app: Express): void {
  const options = {
    customSiteTitle: 'Slipway API',
    swaggerOptions: { url: '/openapi.json', persistAuthorization: true },
  };
  app.use('/docs', swaggerUi.serve, swaggerUi.setup(undefined, options));
  // Who opens the address in a browser finds the way; a program that asks for JSON gets 404 as everywhere.
  app.get('/', (request, response, next) => {
    if (request.accepts(['text/html', 'application/json']) === 'text/html') response.redirect(302, '/docs/');
    else next();
  });
}
