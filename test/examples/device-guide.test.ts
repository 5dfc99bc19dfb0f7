import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { readConfig } from '../../agent/config.js';
import { EXIT_CODES } from '../../agent/handlers/exit-codes.js';
import { ERROR_CLASSES } from '../../domain/installation/retry.js';
import { ERROR_CODES, parseUp } from '../../protocol/mqtt/payloads.js';
import { upTopic } from '../../protocol/mqtt/topics.js';

const guide = readFileSync('docs/device-guide.md', 'utf8');
const blocks = [...guide.matchAll(/```json\n(.*?)```/gs)].map(([, json]) => json!);
const rowsOf = (chapter: string) =>
  [...(guide.split(`## ${chapter}\n`)[1] ?? '').split('\n## ')[0]!.matchAll(/^\| (.+) \|$/gm)].map(([, row]) =>
    row!.split(' | '),
  );

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
      const configurations = blocks.filter((json) => json.includes('"stateDir"'));
      expect(configurations).toHaveLength(2);
      for (const json of configurations) {
        writeFileSync(join(dir, 'agent.json'), json);
        expect(Object.keys((await readConfig(join(dir, 'agent.json'))).slots)).toContain('firmware');
      }
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });

  it('shows messages that the service accepts', () => {
    const messages = blocks.filter((json) => json.startsWith('{"v": 1'));
    expect(messages).toHaveLength(2);
    for (const json of messages) {
      const type = json.includes('"msgId"') ? 'hello' : 'status';
      expect(parseUp(upTopic({ tenant: 't', node: 'd', device: 'd' }, type), Buffer.from(json))).toMatchObject({
        ok: true,
      });
    }
  });
});
