import { z } from 'zod';
import { ROLES } from '../../domain/permissions.js';
import { permission, timestamp } from './envelope.js';

/** Who a token is (docs/contracts/operators.md, "API keys"). */
export const me = z
  .strictObject({
    tenant: z.string(),
    id: z.string().meta({ description: "The key's id, or the token's sub" }),
    kind: z.enum(['key', 'token', 'device']),
    name: z.string(),
    actsAs: z.string().meta({ description: 'What stands in createdBy, in votes and in the history' }),
    roles: z.array(z.enum(ROLES)),
    permissions: z.array(permission),
    expiresAt: timestamp.optional(),
  })
  .meta({
    id: 'Me',
    example: {
      tenant: 'default',
      id: '123e4567-e89b-42d3-a456-426655440060',
      kind: 'key',
      name: 'ci',
      actsAs: 'key:ci',
      roles: ['reader'],
      permissions: [
        'firmware:read',
        'devicetypes:read',
        'devices_base_data:read',
        'devices_states:read',
        'device_certificates:read',
        'rollouts:read',
        'trust:read',
      ],
      expiresAt: '2036-11-24T10:00:00.000Z',
    },
  });

/** How a client may sign in: what the command line and a dashboard need to begin with. */
export const authConfig = z
  .strictObject({
    apiKeys: z.literal(true),
    oidc: z
      .strictObject({
        issuer: z.string(),
        clientId: z.string(),
        audience: z.string(),
        scopes: z.array(z.string()),
        deviceCode: z.literal(true),
      })
      .optional()
      .meta({ description: 'There where the service takes tokens of an identity provider' }),
  })
  .meta({
    id: 'AuthConfig',
    example: {
      apiKeys: true,
      oidc: {
        issuer: 'https://id.example.com',
        clientId: 'slipway',
        audience: 'slipway',
        scopes: ['openid', 'profile', 'offline_access'],
        deviceCode: true,
      },
    },
  });

/** How this service was started; it changes nothing of what the API does. */
export const MODES = ['production', 'all-in-one'] as const;

/** What this service is. */
export const about = z
  .strictObject({
    version: z.string(),
    mode: z.enum(MODES),
    links: z.strictObject({ docs: z.string(), openapi: z.string(), temporalUi: z.string().optional() }),
    features: z.record(z.string(), z.boolean()).meta({ description: 'What is switched on, by name' }),
  })
  .meta({
    id: 'About',
    example: {
      version: '0.1.0',
      mode: 'all-in-one',
      links: { docs: 'http://127.0.0.1:8080/docs', openapi: 'http://127.0.0.1:8080/openapi.json' },
      features: { oidc: false, webhooksToPrivateAddresses: false },
    },
  });
