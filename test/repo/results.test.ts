import { existsSync, readdirSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { COVERS, olderThanTheirCode, originOf } from '../../bench/covers.js';
import { LONG_RUNS } from '../../bench/proofs.js';
import { PART_NAMES } from '../../bench/part.js';

const kept = readdirSync('bench/results');

describe('Results of what is slow', () => {
  it('are each in the table that says which code they cover, and the folders in it exist', () => {
    const made = [...PART_NAMES.map((name) => `${name}.json`), ...LONG_RUNS.map(({ file }) => file)];
    expect(Object.keys(COVERS).sort()).toEqual([...made].sort());
    expect(kept.filter((file) => !(file in COVERS))).toEqual([]);
    expect([...new Set(Object.values(COVERS).flat())].filter((path) => !existsSync(path))).toEqual([]);
  });

  it('bear a date and a commit', () => {
    for (const file of kept)
      expect([file, originOf(file)]).toEqual([
        file,
        { date: expect.stringMatching(/^\d{4}-\d\d-\d\d$/), commit: expect.stringMatching(/^[0-9a-f]{7,}$/) },
      ]);
  });

  it('are said to be older than their code in a sentence each', () => {
    for (const sentence of olderThanTheirCode())
      expect(sentence).toMatch(/^[a-z0-9-]+\.(json|txt) (was never made|\(.*\): \d+ later commits? changed .+)$/);
  });
});
