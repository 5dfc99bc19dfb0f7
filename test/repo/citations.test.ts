import { existsSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { STATES } from '../../domain/installation/states.js';
import { GROUP_STATES, PHASES } from '../../domain/rollout/phase.js';
import { PAUSE_REASONS, TARGET_STATES } from '../../domain/rollout/facts.js';
import { ERROR_CODES, REPORTED_STATES } from '../../protocol/mqtt/payloads.js';
import { UP_TYPES } from '../../protocol/mqtt/topics.js';
import { code, files, read } from './files.js';

const OWN = 'test/repo/citations.test.ts';
/** On one line: a citation may be broken by the margin of a comment. */
const unwrapped = (file: string) => read(file).replaceAll(/\n\s*(?:\*|\/\/|--|#)? */g, ' ');
const citing = [...code, ...files.filter((file) => file.endsWith('.md'))].filter((file) => file !== OWN);

interface Citation {
  file: string;
  document: string;
  section: string | undefined;
}

/** `docs/x.md`, `docs/x.md, "Section"` and `docs/x.md §2`. */
const citations: Citation[] = citing.flatMap((file) =>
  [...unwrapped(file).matchAll(/(?<![\w./-])(docs\/[\w/-]+\.(?:md|yaml|json))(?:, "([^"]+)"| (§\d+))?/g)].map(
    ([, document, quoted, numbered]) => ({ file, document: document!, section: quoted ?? numbered }),
  ),
);

function hasSection(document: string, section: string): boolean {
  const headings = [...read(document).matchAll(/^#+ (.+)$/gm)].map(([, heading]) => heading!);
  if (section.startsWith('§')) return headings.some((heading) => heading.startsWith(`${section.slice(1)}. `));
  return headings.includes(section);
}

describe('A citation', () => {
  it('names a document and a section that exist', () => {
    expect(citations.length).toBeGreaterThan(60);
    const lost = citations.filter(
      ({ document, section }) => !existsSync(document) || (section !== undefined && !hasSection(document, section)),
    );
    expect(lost).toEqual([]);
  });

  it('names no document that is not part of the repository', () => {
    expect(citing.filter((file) => /(?<!\/)\bspecs\/\w|\bDESIGN\b/.test(read(file)))).toEqual([]);
  });
});

describe('The contracts', () => {
  const lacking = (document: string, words: readonly string[]) => {
    const text = read(document);
    return words.filter((word) => !new RegExp(`(?<![\\w])${word}(?![\\w])`).test(text));
  };

  it('of devices names every kind of message, state and error code', () => {
    const document = 'docs/contracts/device-mqtt.md';
    expect(
      lacking(
        document,
        UP_TYPES.map((type) => `up/${type}`),
      ),
    ).toEqual([]);
    expect(lacking(document, [...STATES, ...REPORTED_STATES, ...ERROR_CODES])).toEqual([]);
  });

  it('of rollouts names every phase, state and reason of a pause', () => {
    expect(
      lacking('docs/contracts/rollouts.md', [...PHASES, ...GROUP_STATES, ...TARGET_STATES, ...PAUSE_REASONS]),
    ).toEqual([]);
  });
});
