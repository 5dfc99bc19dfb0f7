import { describe, expect, it } from '@jest/globals';
import { STATES } from '../../domain/installation/states.js';
import { files, read } from './files.js';
import { headings, sentences, titles, type Sentence } from './sentences.js';

const words = (JSON.parse(read('test/repo/words.json')) as { word: string; instead: string }[]).map(
  ({ word, instead }) => ({ pattern: new RegExp(word, /[A-Z]/.test(word) ? '' : 'i'), instead }),
);

/** What is not plain English, with where it stands and what to write instead. */
const faults = (of: readonly Sentence[]): string[] =>
  of.flatMap(({ file, line, text }) =>
    words
      .filter(({ pattern }) => pattern.test(text))
      .map(({ pattern, instead }) => `${file}:${line}: "${text}" has ${pattern.source}; write: ${instead}`),
  );

describe('Plain English', () => {
  it('is in the headings of documents', () => {
    expect(headings().length).toBeGreaterThan(50);
    expect(faults(headings())).toEqual([]);
  });

  it('is in the titles of tests', () => {
    expect(titles().length).toBeGreaterThan(1000);
    expect(faults(titles())).toEqual([]);
  });

  it('is in the sentences that users see', () => {
    expect(sentences().length).toBeGreaterThan(500);
    expect(faults(sentences())).toEqual([]);
  });

  it('has no pronouns without a person in comments and in the bodies of documents', () => {
    const pronouns = /\b(nobody|whoever|somebody|anybody|everybody|one way in)\b/i;
    const places = files
      .filter((file) => /\.(ts|js|cjs|sql|md|sh|yml|yaml)$/.test(file))
      .filter(
        (file) =>
          !/^(docs\/decisions|test|bench\/results)\/|CHANGELOG|performance\.md|store\/sql\/00|postgres-user\.ts/.test(
            file,
          ),
      )
      .flatMap((file) =>
        read(file)
          .split('\n')
          .flatMap((text, index) => (pronouns.test(text) ? [`${file}:${index + 1}: ${text.trim()}`] : [])),
      );
    expect(places).toEqual([]);
  });

  it('finds each word of the list', () => {
    const text = 'Is it well? Nobody told whoever hears it';
    expect(faults([{ file: 'a.ts', line: 1, text }]).map((fault) => /has (\S+)/.exec(fault)![1])).toHaveLength(5);
  });
});

describe('The glossary', () => {
  it('has 30 terms or more, in alphabetical order, and every state of an installation', () => {
    const glossary = read('docs/glossary.md');
    const terms = [...glossary.matchAll(/^\| \*\*(.+?)\*\* \|/gm)].map(([, term]) => term!);
    expect(terms.length).toBeGreaterThanOrEqual(30);
    expect([...terms].sort((a, b) => a.localeCompare(b, 'en'))).toEqual(terms);
    const states = [...glossary.matchAll(/`([a-z_]+)`/g)].map(([, name]) => name!);
    expect(STATES.filter((state) => !states.includes(state))).toEqual([]);
  });
});
