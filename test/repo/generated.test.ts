import { describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';

const read = (path: string) => readFileSync(path, 'utf8');

describe('A generated file', () => {
  it('the parser of filters is what `npm run grammar` makes of its grammar', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: { grammar: string } };
    const folder = mkdtempSync(join(tmpdir(), 'slipway-grammar-'));
    try {
      const made = join(folder, 'filter-grammar.js');
      const command = scripts.grammar.replace('domain/fleet/filter-grammar.js', made);
      const path = [resolve('node_modules/.bin'), process.env.PATH].join(delimiter);
      execFileSync('sh', ['-c', command], { env: { ...process.env, PATH: path } });
      for (const kind of ['js', 'd.ts'])
        expect(read(join(folder, `filter-grammar.${kind}`))).toBe(read(`domain/fleet/filter-grammar.${kind}`));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('the parser of filters imports nothing', () => {
    expect(read('domain/fleet/filter-grammar.js')).not.toMatch(/\bimport\b|\brequire\(/);
  });
});
