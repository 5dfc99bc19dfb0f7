import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { readConfig } from '../../agent/config.js';
import { EXIT_CODES } from '../../agent/handlers/exit-codes.js';
import { ERROR_CLASSES } from '../../domain/installation/retry.js';
import { ERROR_CODES, parseDown, parseUp } from '../../protocol/mqtt/payloads.js';
import { ack, cmd, desired } from '../../protocol/mqtt/down.js';
import { hello, log, presence, progress, status } from '../../protocol/mqtt/up.js';
import { upTopic } from '../../protocol/mqtt/topics.js';

const guide = readFileSync('docs/device-guide.md', 'utf8');
/** Each JSON block: what stands behind `json` says which message it is, by the end of its topic. */
const blocks = [...guide.matchAll(/^```json ?(.*)\n([^]*?)^```$/gm)].map(([, type = '', json = '']) => ({
  type,
  json,
}));
const rowsOf = (chapter: string) =>
  [...(guide.split(`## ${chapter}\n`)[1] ?? '').split('\n## ')[0]!.matchAll(/^\| (.+) \|$/gm)].map(([, row]) =>
    row!.split(' | '),
  );

const UP = { hello, status, progress, presence, log };
const DOWN = { desired, cmd, ack };
/** Every message, by the end of its topic. */
const MESSAGES: Readonly<Record<string, z.ZodType>> = Object.fromEntries([
  ...Object.entries(UP).map(([type, schema]) => [`up/${type}`, schema]),
  ...Object.entries(DOWN).map(([type, schema]) => [`down/${type}`, schema]),
]);
/** Reserved in the schema: documents are not signed yet. */
const NOT_SENT = new Set(
  ['alg', 'keyId', 'value', ''].map((name) => `down/desired firmware.signature.${name}`.replace(/\.$/, '')),
);

const where = { tenant: 'default', node: 'd', device: 'd' };
function read(type: string, json: string): { ok: boolean } {
  const [direction, name = ''] = type.split('/');
  const topic = `${upTopic(where, 'hello').replace('up/hello', `${direction}/${name}`)}${name === 'desired' ? '/firmware' : ''}`;
  return direction === 'up' ? parseUp(topic, Buffer.from(json)) : parseDown(topic, Buffer.from(json));
}

interface Schema {
  properties?: Record<string, Schema>;
  additionalProperties?: Schema | boolean;
  items?: Schema;
  anyOf?: Schema[];
}
/** Paths of all members; `*` stands for each name of a record, and lists add nothing. */
function membersOf({ properties = {}, additionalProperties, items, anyOf = [] }: Schema, path = ''): string[] {
  return [
    ...Object.entries(properties).flatMap(([name, schema]) => [path + name, ...membersOf(schema, `${path}${name}.`)]),
    ...(typeof additionalProperties === 'object' ? membersOf(additionalProperties, `${path}*.`) : []),
    ...(items ? membersOf(items, path) : []),
    ...anyOf.flatMap((schema) => membersOf(schema, path)),
  ];
}
/** Members whose names the sender chooses. */
const RECORDS = new Set(['slots', 'children.slots', 'children', 'open']);
function membersShown(value: unknown, path = ''): string[] {
  if (Array.isArray(value)) return value.flatMap((one) => membersShown(one, path));
  if (typeof value !== 'object' || value === null) return [];
  const isRecord = RECORDS.has(path.replace(/\.$/, '')) && !('device' in value);
  return Object.entries(value).flatMap(([name, one]) =>
    isRecord ? membersShown(one, `${path}*.`) : [path + name, ...membersShown(one, `${path}${name}.`)],
  );
}

describe('The device guide', () => {
  it('documents each error code as the retry policy handles it', () => {
    const documented = Object.fromEntries(
      rowsOf('Error codes').flatMap(([code, , does]) =>
        code?.startsWith('`') ? [[code.replaceAll('`', ''), does]] : [],
      ),
    );
    expect(Object.keys(documented).sort()).toEqual([...ERROR_CODES].sort());
    for (const [code, kind] of Object.entries(ERROR_CLASSES)) {
      const expected = { retry: /^tries again/, never: /^ends/, asked: /^as you say, else tries again/ }[kind];
      expect([code, documented[code]]).toEqual([code, expect.stringMatching(expected)]);
    }
  });

  it('documents each exit code of a handler', () => {
    const documented = rowsOf('slipway-agent').flatMap(([exit, code, again]) =>
      /^\d+$/.test(exit ?? '') && exit !== '0' ? [[Number(exit), code!.replaceAll('`', ''), again === 'yes']] : [],
    );
    expect(documented).toEqual(
      Object.entries(EXIT_CODES).map(([exit, { code, retriable }]) => [Number(exit), code, retriable]),
    );
  });

  it('shows configurations that the agent accepts', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'slipway-guide-'));
    try {
      const configurations = blocks.filter(({ type }) => type === '');
      expect(configurations).toHaveLength(2);
      for (const { json } of configurations) {
        writeFileSync(join(dir, 'agent.json'), json);
        expect(Object.keys((await readConfig(join(dir, 'agent.json'))).slots)).toContain('firmware');
      }
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });

  it('shows each message with a type, and each type', () => {
    const shown = new Set(blocks.flatMap(({ type }) => (type === '' ? [] : [type])));
    expect([...shown].sort()).toEqual(Object.keys(MESSAGES).sort());
  });

  it.each(Object.keys(MESSAGES))('shows of %s what is read, and each of its members', (type) => {
    const examples = blocks.filter((block) => block.type === type).map(({ json }) => json);
    for (const example of examples) expect([example, read(type, example)]).toMatchObject([example, { ok: true }]);
    const shown = new Set(examples.flatMap((example) => membersShown(JSON.parse(example))));
    const known = membersOf(z.toJSONSchema(MESSAGES[type]!, { io: 'input', unrepresentable: 'any' }) as Schema);
    expect([...shown].sort()).toEqual(
      [...new Set(known)].filter((member) => !NOT_SENT.has(`${type} ${member}`)).sort(),
    );
  });

  it('shows JSON within its sentences that can be read, and a message as one that the service reads', () => {
    const inline = [...guide.matchAll(/`(\{".*?\})`/g)].map(([, json]) => json!);
    expect(inline.length).toBeGreaterThan(3);
    for (const json of inline) {
      const { v } = JSON.parse(json) as { v?: unknown };
      const reads = Object.keys(MESSAGES).some((type) => read(type, json).ok);
      expect([json, v === undefined || reads]).toEqual([json, true]);
    }
  });

  it('links the description of the protocol', () => {
    expect(guide).toContain('(asyncapi.yaml)');
  });
});
