import { describe, expect, it } from '@jest/globals';
import { PERMISSIONS, permissionsOf, ROLES } from '../../domain/permissions.js';
import { read } from './files.js';

describe('docs/roles.md', () => {
  it('says of each permission which role grants it, as the code does', () => {
    const [header, , ...rows] = read('docs/roles.md')
      .split('\n')
      .filter((line) => line.startsWith('|'))
      .map((line) =>
        line
          .split('|')
          .slice(1, -1)
          .map((cell) => cell.trim()),
      );
    expect(header).toEqual(['permission', ...ROLES]);
    expect(rows).toEqual(
      PERMISSIONS.map((permission) => [
        `\`${permission}\``,
        ...ROLES.map((role) => (permissionsOf(role).includes(permission) ? 'x' : '')),
      ]),
    );
  });

  it('and roles hold permissions that exist, each once', () => {
    for (const role of ROLES) {
      expect(new Set(permissionsOf(role)).size).toBe(permissionsOf(role).length);
      expect(PERMISSIONS).toEqual(expect.arrayContaining([...permissionsOf(role)]));
    }
  });
});
