import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { COMPATIBLE, printThirdParties, thirdParties } from './third-party.js';

describe('Third-party software', () => {
  it('states a licence that may be in a program under Apache-2.0', () => {
    const parts = thirdParties();
    expect(parts.length).toBeGreaterThan(200);
    const fits = (license = '') => license.split(' AND ').every((one) => COMPATIBLE.has(one));
    expect(parts.filter(({ license }) => !fits(license))).toEqual([]);
  });

  it('is listed in docs/third-party.md: `npm run third-party > docs/third-party.md`', () => {
    expect(readFileSync('docs/third-party.md', 'utf8')).toBe(printThirdParties());
  });

  it('is in the SBOM that `npm run sbom` prints', () => {
    const { bomFormat, components } = JSON.parse(
      execFileSync('npm', ['run', '--silent', 'sbom'], { encoding: 'utf8', maxBuffer: 64 << 20 }),
    ) as { bomFormat: string; components: { name: string; version: string }[] };
    expect(bomFormat).toBe('CycloneDX');
    const listed = new Set(components.map(({ name, version }) => `${name} ${version}`));
    expect(thirdParties().filter(({ name, version }) => !listed.has(`${name} ${version}`))).toEqual([]);
  });
});
