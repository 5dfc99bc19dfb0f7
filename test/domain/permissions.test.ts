import { describe, expect, it } from '@jest/globals';
import { lacking, OF_THE_INSTALLATION, PERMISSIONS, permissionsOf, ROLES } from '../../domain/permissions.js';

describe('a role', () => {
  it('of an owner may do everything in its tenant', () => {
    expect([...permissionsOf('owner'), ...OF_THE_INSTALLATION].sort()).toEqual([...PERMISSIONS].sort());
  });

  it('holds nothing of the installation', () => {
    for (const role of ROLES)
      expect(permissionsOf(role).filter((permission) => permission.startsWith('tenants:'))).toEqual([]);
  });

  it('of a writer changes what is there, but releases no rollout and does not read who did what', () => {
    expect(
      lacking(permissionsOf('writer'), ['firmware:write', 'devices_base_data:write', 'rollouts:write']),
    ).toBeUndefined();
    expect(lacking(permissionsOf('writer'), ['firmware:read', 'rollouts:approve'])).toBe('rollouts:approve');
    expect(permissionsOf('writer')).not.toContain('audit_logs:read');
  });

  it('of a reader changes nothing', () => {
    expect(permissionsOf('reader').filter((permission) => !permission.endsWith(':read'))).toEqual([]);
    expect(lacking(permissionsOf('reader'), ['firmware:read', 'firmware:write'])).toBe('firmware:write');
  });
});
