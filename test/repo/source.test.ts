import { describe, expect, it } from '@jest/globals';
import { code, files, read } from './files.js';

describe('The repository', () => {
  it('has no source file of over 400 lines but those that are generated', () => {
    const generated = /^(store\/schema\.sql|domain\/fleet\/filter-grammar\..*)$/;
    expect(code.filter((file) => !generated.test(file) && read(file).split('\n').length > 400)).toEqual([]);
  });

  it('has no catch-all folder: src, lib, utils, helpers, common, shared or manager', () => {
    expect(files.filter((file) => /(^|\/)(src|lib|utils|helpers|common|shared|manager)\//.test(file))).toEqual([]);
  });

  it('has no empty catch, no skipped test and no mark of unfinished work', () => {
    const marks =
      /catch\s*(\([^)]*\))?\s*\{\s*\}|\b(it|describe|test)\.(skip|only|todo)\(|\b(TODO|FIXME|XXX|HACK)\b|@ts-ignore|eslint-disable|\bas any\b/;
    expect(code.filter((file) => file !== 'test/repo/source.test.ts' && marks.test(read(file)))).toEqual([]);
  });

  it('spells topics in one module only', () => {
    const spelled = /['"`]slipway\/v1\//;
    const comment = /^\s*(\*|\/\/|\/\*)/;
    const spellers = files
      .filter((file) => /^(api|adapters|bridge|agent|store|workers|activities|workflows|domain)\/.*\.ts$/.test(file))
      .filter((file) =>
        read(file)
          .split('\n')
          .some((line) => !comment.test(line) && spelled.test(line)),
      );
    expect(spellers).toEqual([]);
  });

  it('installs one copy of protobufjs for the engine: with two, histories cannot be read', () => {
    const lock = JSON.parse(read('package-lock.json')) as { packages: Record<string, { version: string }> };
    const copies = Object.entries(lock.packages)
      .filter(([path]) => path.endsWith('node_modules/protobufjs') && !path.includes('proto-loader'))
      .map(([, { version }]) => version);
    expect(copies).toHaveLength(1);
  });

  it('ties no package to a registry: the lock file names none', () => {
    expect(read('package-lock.json')).not.toMatch(/"resolved": "https?:/);
  });
});
