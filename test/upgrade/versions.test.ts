import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { assertHasOld, BASE } from './versions.js';

const folder = mkdtempSync(join(tmpdir(), 'slipway-shallow-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('The version that the present one is rolled out over', () => {
  it('is a commit, whose lack a shallow clone says in a sentence', () => {
    const clone = join(folder, 'clone');
    execFileSync('git', ['clone', '--quiet', '--depth', '1', `file://${process.cwd()}`, clone], { stdio: 'ignore' });
    expect(() => assertHasOld(clone)).toThrow(
      `the commit ${BASE}, over which the present version is rolled out, is not in this clone, which is a shallow one: git fetch --unshallow`,
    );
  });
});
