/** What a token may do; docs/roles.md has the table. */
export const PERMISSIONS = [
  'firmware:read',
  'firmware:write',
  'devicetypes:read',
  'devicetypes:write',
  'devices_base_data:read',
  'devices_base_data:write',
  'devices_states:read',
  'device_certificates:read',
  'device_certificates:write',
  'rollouts:read',
  'rollouts:write',
  'rollouts:approve',
  'trust:read',
  'trust:write',
  'webhooks:read',
  'webhooks:write',
  'audit_logs:read',
  'api_keys:read',
  'api_keys:write',
  'settings:read',
  'settings:write',
  'enrolments:write',
  'tenants:read',
  'tenants:write',
] as const;

/** `<what>:<action>`, as a token or a role grants it. */
export type Permission = (typeof PERMISSIONS)[number];

/**
 * Of the operator of the installation: no role holds them and no token of an issuer, only a key of the first tenant
 * that names them.
 */
export const OF_THE_INSTALLATION = ['tenants:read', 'tenants:write'] as const satisfies readonly Permission[];

/** The roles of API keys and of tokens, from most to least. */
export const ROLES = ['owner', 'writer', 'reader'] as const;

/** A role of an API key. Tokens of an issuer may name permissions, too. */
export type Role = (typeof ROLES)[number];

/** A reader sees the fleet and what runs on it, but no keys, no settings and nothing that holds a secret. */
const READER = [
  'firmware:read',
  'devicetypes:read',
  'devices_base_data:read',
  'devices_states:read',
  'device_certificates:read',
  'rollouts:read',
  'trust:read',
] as const satisfies readonly Permission[];

/** A writer changes what is there, but approves no rollout (four eyes) and does not read who did what. */
const WRITER = [
  ...READER,
  'firmware:write',
  'devicetypes:write',
  'devices_base_data:write',
  'device_certificates:write',
  'rollouts:write',
  'webhooks:read',
  'webhooks:write',
] as const satisfies readonly Permission[];

/** Closed lists: a new permission joins no role in silence. docs/roles.md shows them. */
const OF_ROLE: Record<Role, readonly Permission[]> = {
  owner: [
    ...WRITER,
    'rollouts:approve',
    'audit_logs:read',
    'api_keys:read',
    'api_keys:write',
    'settings:read',
    'settings:write',
    'trust:write',
    'enrolments:write',
  ],
  writer: WRITER,
  reader: READER,
};

/** Every permission that the role grants; a role grants nothing that is not in its list. */
export function permissionsOf(role: Role): readonly Permission[] {
  return OF_ROLE[role];
}

/** @returns the first of the wanted permissions that is not held; undefined where all are. */
export function lacking(held: readonly Permission[], wanted: readonly Permission[]): Permission | undefined {
  return wanted.find((permission) => !held.includes(permission));
}
