/** What a token may do (docs/contracts/rest-api.md, "Conventions"). */
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
  'audit_logs:read',
  'rollouts:read',
  'rollouts:write',
  'rollouts:approve',
] as const;

/** `<what>:<action>`, as a token or a role grants it. */
export type Permission = (typeof PERMISSIONS)[number];

/** The roles of API keys (docs/contracts/rest-api.md, "Conventions"), from most to least. */
export const ROLES = ['owner', 'writer', 'reader'] as const;

/** A role of an API key. Tokens of an issuer name permissions instead. */
export type Role = (typeof ROLES)[number];

/** What a reader may do: everything that can be read but the audit trail. */
const READER = [
  'firmware:read',
  'devicetypes:read',
  'devices_base_data:read',
  'devices_states:read',
  'device_certificates:read',
  'rollouts:read',
] as const satisfies readonly Permission[];

/** A writer changes what is there, but approves no rollout (four eyes) and does not read who did what. */
const WRITER = [
  ...READER,
  'firmware:write',
  'devicetypes:write',
  'devices_base_data:write',
  'device_certificates:write',
  'rollouts:write',
] as const satisfies readonly Permission[];

/** Closed lists: a new permission joins no role in silence. docs/roles.md shows them. */
const OF_ROLE: Record<Role, readonly Permission[]> = {
  owner: [...WRITER, 'rollouts:approve', 'audit_logs:read'],
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
