import { describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
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

  it('the typed client is what `npm run client` makes of the OpenAPI document of the code', () => {
    const folder = mkdtempSync(join(tmpdir(), 'slipway-client-'));
    try {
      execFileSync(process.execPath, ['client/generate.js', folder]);
      const names = (root: string) => readdirSync(root, { recursive: true, encoding: 'utf8' }).sort();
      expect(names('client/generated')).toEqual(names(folder));
      const stale = names(folder)
        .filter((name) => name.endsWith('.ts'))
        .filter((name) => read(join('client/generated', name)) !== read(join(folder, name)));
      // Where the API changed: npm run client.
      expect(stale).toEqual([]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  }, 60_000);

  it('the parser of filters imports nothing', () => {
    expect(read('domain/fleet/filter-grammar.js')).not.toMatch(/\bimport\b|\brequire\(/);
  });
});
