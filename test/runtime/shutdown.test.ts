import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ended, identify } from '../../workers/embedded/processes.js';
import { until } from '../support/until.js';

const compiled = join(import.meta.dirname, '../../dist/runtime/shutdown.js');
let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'slipway-exit-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A process as the mains write it, and a parent that starts it with a channel. */
function files(): { child: string; parent: string; notes: string } {
  const [child, parent, notes] = [join(folder, 'child.mjs'), join(folder, 'parent.mjs'), join(folder, 'notes')];
  writeFileSync(
    child,
    `import { appendFileSync } from 'node:fs';
     import { exitWithParent, onShutdown } from ${JSON.stringify(compiled)};
     const note = (text) => appendFileSync(${JSON.stringify(notes)}, text + '\\n');
     onShutdown(() => note('closes the pool'));
     onShutdown(async () => note('closes the listener'));
     exitWithParent();
     note(String(process.pid));
     setInterval(() => {}, 1000);`,
  );
  writeFileSync(
    parent,
    `import { spawn } from 'node:child_process'; spawn(process.execPath, [${JSON.stringify(child)}], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], detached: true }); setInterval(() => {}, 1000);`,
  );
  return { child, parent, notes };
}
const linesOf = (path: string) => (existsSync(path) ? readFileSync(path, 'utf8').trim().split('\n') : []);

describe('a process of Slipway', () => {
  it('ends in good order when its parent is killed', async () => {
    const { parent, notes } = files();
    const started = spawn(process.execPath, [parent], { stdio: ['ignore', 'ignore', 'inherit'] });
    const pid = Number(await until('the child runs', () => linesOf(notes)[0]));
    const child = identify(pid);
    if (child === undefined) throw new Error('the child is gone already');
    started.kill('SIGKILL');
    expect(await ended(child, 5_000)).toBe(true);
    expect(linesOf(notes).slice(1)).toEqual(['closes the listener', 'closes the pool']);
  });

  it('closes once, in reverse order, on SIGTERM, and answers 0', async () => {
    const { child: file, notes } = files();
    const child = spawn(process.execPath, [file], { stdio: ['ignore', 'ignore', 'inherit'] });
    const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
    await until('the child runs', () => linesOf(notes)[0]);
    child.kill('SIGTERM');
    child.kill('SIGINT');
    expect(await exited).toBe(0);
    expect(linesOf(notes).slice(1)).toEqual(['closes the listener', 'closes the pool']);
  });
});
