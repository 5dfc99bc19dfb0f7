import { lstat, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { jsonOf, SmallFiles } from '../../agent/core/small-files.js';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'slipway-small-files-'));
});
afterEach(() => rm(dir, { recursive: true }));

const anything = jsonOf({ safeParse: () => ({ success: true }) });

describe('A file in which the agent remembers something', () => {
  it('is not set aside where the system could not open it: it may be good', async () => {
    const path = join(dir, 'state.json');
    await symlink(path, path); // ELOOP, as EMFILE or EACCES would be: nothing is known of the content
    const files = new SmallFiles(dir, false);
    await expect(files.read(path, anything, 'absent', 'damaged')).rejects.toMatchObject({ code: 'ELOOP' });
    expect((await lstat(path)).isSymbolicLink()).toBe(true);
    expect(files.damaged).toEqual([]);
  });

  it('is set aside where its content is damaged, and the report quotes nothing of the content', async () => {
    const path = join(dir, 'state.json');
    await writeFile(path, '{"password": "hunter2"');
    const files = new SmallFiles(dir, false);
    expect(await files.read(path, anything, 'absent', 'damaged')).toBe('damaged');
    expect(await readdir(dir)).toEqual(['state.json.corrupt']);
    expect(files.damaged).toEqual([
      'state.json cannot be read (it is not JSON): it is kept as state.json.corrupt and begun anew',
    ]);
  });
});
