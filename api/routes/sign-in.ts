import type { z } from 'zod';
import { envelope } from '../../protocol/http/envelope.js';
import { about, authConfig, me } from '../../protocol/http/sign-in.js';
import { isoTime } from '../../protocol/http/print-plan.js';
import { answer, route, type Principal, type Route, type Services } from '../http/route.js';

/** What a client asks for first: how to sign in, who it is then, and what it talks to. */
export function signInRoutes(services: Services, version: string): Route[] {
  return [
    route({
      tag: 'Sign in',
      method: 'get',
      path: '/v1/me',
      operationId: 'readMe',
      summary: 'Who the token is, and what it may do',
      permission: [],
      answers: { 200: { description: 'The key or token that was sent', schema: envelope(me) } },
      handle: async (call) => answer(200, printMe(call.principal)),
    }),
    route({
      tag: 'Sign in',
      method: 'get',
      path: '/v1/auth/config',
      operationId: 'readAuthConfig',
      summary: 'How a client may sign in',
      permission: null,
      answers: {
        200: { description: 'By key, and where there is one by the identity provider', schema: envelope(authConfig) },
      },
      handle: async () => answer(200, printAuthConfig(services)),
    }),
    route({
      tag: 'Sign in',
      method: 'get',
      path: '/v1/about',
      operationId: 'readAbout',
      summary: 'What this service is',
      permission: null,
      answers: { 200: { description: 'Its version, links and features', schema: envelope(about) } },
      handle: async () => answer(200, printAbout(services, version)),
    }),
  ];
}

function printMe(principal: Principal): z.input<typeof me> {
  return {
    tenant: principal.tenantId,
    id: principal.subject,
    kind: principal.kind,
    name: principal.name,
    actsAs: principal.id,
    roles: [...principal.roles],
    permissions: [...principal.permissions],
    ...(principal.expiresAt === undefined ? {} : { expiresAt: isoTime(principal.expiresAt) }),
  };
}

function printAuthConfig({ signIn }: Services): z.input<typeof authConfig> {
  if (!signIn) return { apiKeys: true };
  const { issuer, clientId, audience, scopes } = signIn;
  return { apiKeys: true, oidc: { issuer, clientId, audience, scopes: [...scopes], deviceCode: true } };
}

function printAbout(services: Services, version: string): z.input<typeof about> {
  const { publicUrl, temporalUiUrl } = services;
  return {
    version,
    mode: services.mode ?? 'production',
    links: {
      docs: `${publicUrl}/docs`,
      openapi: `${publicUrl}/openapi.json`,
      ...(temporalUiUrl === undefined ? {} : { temporalUi: temporalUiUrl }),
    },
    features: {
      oidc: services.signIn !== undefined,
      webhooksToPrivateAddresses: services.webhooksAllowPrivate === true,
    },
  };
}
