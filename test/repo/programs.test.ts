import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { requireProgram } from '../support/programs.js';
import { files, read } from './files.js';

const install = readFileSync('.ci/install', 'utf8');

describe('Programs that the tests need', () => {
  it('are named with the command that installs them where they are missing, and the test fails', () => {
    expect(() => requireProgram('no-such-program', 'debian')).toThrow(
      'no-such-program is missing, and the tests install nothing. Run as root: .ci/install debian',
    );
    expect(() => requireProgram('/no/such/versitygw', 'versitygw')).toThrow('Run: .ci/install versitygw');
    expect(requireProgram('node', 'debian')).toMatch(/\/node$/);
  });

  it('are installed by .ci/install alone, which lists each Debian package once', () => {
    const installs = /\bapt(-get)?\b[^`\n]*\binstall\b|\bpip\b.*\binstall\b|\bgo['", ]+install\b/;
    const installers = files.filter((file) => /^test\/.*\.(ts|js|sh)$/.test(file) && installs.test(read(file)));
    expect(installers.filter((file) => file !== 'test/repo/programs.test.ts')).toEqual([]);
    const [, list = ''] = /^DEBIAN=\(\n([^)]+)\n\)/m.exec(install.replaceAll(/ #.*/g, '')) ?? [];
    const packages = list.split('\n').map((line) => line.trim());
    expect(packages).toEqual(expect.arrayContaining(['mosquitto', 'postgresql-15']));
    expect([...new Set(packages)]).toEqual(packages);
  });

  it('are of one version in .ci/install and in the tests', () => {
    const [, built] = /^VERSITYGW=(\S+)/m.exec(install) ?? [];
    expect(read('test/support/versitygw.ts')).toContain(`const VERSION = '${built}';`);
    for (const name of ['HELM', 'COMPOSE_SPEC']) {
      const [, version] = new RegExp(`^${name}=(\\S+)`, 'm').exec(install) ?? [];
      expect(read('test/deploy/programs.ts')).toContain(`const ${name} = '${version}';`);
    }
  });

  it('have parts with a name, and another name is refused', () => {
    expect(() => execFileSync('.ci/install', ['mosquitto'], { stdio: 'pipe' })).toThrow(
      '"mosquitto" is none of: debian, versitygw, schemathesis, deploy, image',
    );
  });
});
