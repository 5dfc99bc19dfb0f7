import { describe, expect, it } from '@jest/globals';
import { read } from './files.js';

/** A row: the promise, and the tests that show it, each a file and words of titles in it. */
const rows = [...read('docs/device-guide.md').matchAll(/^\| (.*) \| (`agent\/[^|]*) \|$/gm)].map(
  ([, promise, shown]) => ({
    promise: promise!,
    tests: [...shown!.matchAll(/`([^`]+)`([^`]*)/g)].map(([, file, words]) => ({
      source: read(`test/${file}`),
      titles: [...words!.matchAll(/"([^"]+)"/g)].map(([, title]) => title!),
    })),
  }),
);

describe("The agent's promises in the device guide", () => {
  it('each name a test whose title has these words', () => {
    expect(rows.length).toBeGreaterThan(15);
    const dead = rows.flatMap(({ promise, tests }) =>
      tests.flatMap(({ source, titles }) =>
        titles.length === 0 ? [promise] : titles.filter((title) => !source.includes(title)),
      ),
    );
    expect(dead).toEqual([]);
  });
});
