import { readFileSync, readdirSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { historyFromJSON } from '@temporalio/common/lib/proto-utils.js';
import { Worker } from '@temporalio/worker';

const histories = readdirSync('test/histories').filter((file) => file.endsWith('.json'));

describe('A workflow from an earlier version', () => {
  it.each(histories)('replays with the current code: %s', async (file) => {
    const history = historyFromJSON(JSON.parse(readFileSync(`test/histories/${file}`, 'utf8')));
    await expect(
      Worker.runReplayHistory({ workflowBundle: { codePath: 'dist/workflow-bundle.js' } }, history),
    ).resolves.toBeUndefined();
  });

  it('is kept for each case that the README names, and no other', () => {
    const named = [...readFileSync('test/histories/README.md', 'utf8').matchAll(/^\| `([\w-]+\.json)`/gm)].map(
      ([, name]) => name!,
    );
    expect(named.sort()).toEqual([...histories].sort());
  });
});
