import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { commandBlocks, DOCUMENTS } from './blocks.js';
import { ROWS, type Replaced } from './rows.js';
import { walk } from './walk.js';

const folder = mkdtempSync(join(tmpdir(), 'slipway-walk-'));
afterAll(() => rmSync(folder, { recursive: true }));
const written = (text: string, fence = '```sh') => `# A heading\n\n${fence}\n${text}\n\`\`\`\n`;

describe('A command block of a document', () => {
  it.each(DOCUMENTS)('has a row that says how it is run, and each row has its block: %s', (document) => {
    expect(Object.keys(ROWS[document])).toEqual(commandBlocks(document).map(({ name }) => name));
  });

  it('is found in each language of terminals, and a block without a known language is refused', () => {
    for (const language of ['sh', 'bash', 'console', 'shell', 'sql'])
      expect(commandBlocks('x.md', written('ls', `\`\`\`${language}`))).toMatchObject([
        { name: 'A heading (1)', text: 'ls' },
      ]);
    expect(commandBlocks('x.md', written('ls', '```json'))).toEqual([]);
    for (const fence of ['```', '```zsh'])
      expect(() => commandBlocks('x.md', written('ls', fence))).toThrow('is none of sh,');
  });

  const run = (text: string, replaced: readonly Replaced[] = []) =>
    walk(
      commandBlocks('x.md', written(text)).map((block) => ({ block, row: { replaced } })),
      { folder, env: { NAME: 'lamp' }, ms: 60_000 },
    );

  it.each([
    ['the same, white space aside', 'echo one\n# → one', []],
    ['the end of what was printed since', 'echo one; echo two\n# → two\necho three\n# → three', []],
    ['in several lines', 'echo \'["a",\n "b"]\'\n# → ["a",\n#    "b"]', []],
    ['a placeholder', 'echo "since 12:00 until 13:00"\n# → since … until …', []],
    ['with the folder of the test', 'echo $PWD/x\n# → $PWD/x', []],
    ['a moment later', 'sleep 1; ls | grep -c made || (touch made)\n# → 1', []],
    ['another', 'echo one\n# → two', [{ shown: 'two', printed: expect.stringContaining('one') }]],
    ['more', 'echo twenty-one\n# → one', [{ shown: 'one', printed: expect.stringContaining('twenty-one') }]],
    ['less', 'echo one two\n# → one', [{ shown: 'one', printed: expect.stringContaining('one two') }]],
  ])('is compared with what it shows: %s', async (_how, text, differences) => {
    expect(await run(text)).toMatchObject({ code: 0, differences });
  });

  it('fails with the first command that fails, also with one before a pipe, and leaves nothing running', async () => {
    expect(await run('sleep 1000 &\nfalse | cat\necho on\n# → on')).toMatchObject({
      code: 1,
      differences: [{ shown: 'on', printed: 'it did not come so far' }],
    });
  });

  it('is not run where its row replaces what it does not hold, or where it cannot be pasted', async () => {
    const replaced = [{ text: 'npm start', by: ':', because: 'it runs already' }];
    expect(await run('npm start', replaced)).toMatchObject({ code: 0 });
    await expect(run('npm run demo', replaced)).rejects.toThrow(
      'x.md:4, "A heading (1)": rows.ts replaces npm start, which is not in it',
    );
    await expect(run('node -e "if (!r) throw 1"')).rejects.toThrow('a "!" cannot be pasted into a terminal');
  });
});

describe('An answer that is an error', () => {
  it.each(['docs/curl.md', 'docs/rollouts.md', 'docs/device-guide.md'])(
    'is printed by the helper of %s',
    (document) => {
      const [helper = ''] = /^show\(\) \{[\s\S]*?^.*"; \}$/m.exec(readFileSync(document, 'utf8')) ?? [];
      const show = (answer: string) => {
        const script = `set -o pipefail\n${helper}\nprintf '%s' "$ANSWER" | show r.id`;
        const shell = spawnSync('bash', ['-c', script], { env: { ...process.env, ANSWER: answer }, encoding: 'utf8' });
        return [shell.status, shell.stdout, shell.stderr.trim()];
      };
      expect(show('{"data": {"id": "7"}}')).toEqual([0, '7\n', '']);
      expect(show('{"errorCode": "X", "errorMessage": "/name is required"}')).toEqual([1, '', '/name is required']);
      expect(show('')).toEqual([1, '', 'no answer: is Slipway running?']);
    },
  );

  it.each(DOCUMENTS)('is dropped by no command of %s', (document) => {
    const dropped = commandBlocks(document).flatMap(
      ({ text }) => text.match(/^.*curl [^|\n]*> ?\/dev\/null.*$/gm) ?? [],
    );
    expect(dropped).toEqual([]);
  });
});
