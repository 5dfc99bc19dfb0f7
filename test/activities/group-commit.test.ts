import { describe, expect, it } from '@jest/globals';
import { GroupCommit } from '../../activities/group-commit.js';

/** Work that is carried out when the test says so, and remembers who was done together. */
function held() {
  const groups: (readonly string[])[] = [];
  const releases: (() => void)[] = [];
  const work = async (asked: readonly string[]): Promise<string[]> => {
    groups.push(asked);
    await new Promise<void>((resolve) => releases.push(resolve));
    if (asked.includes('poison')) throw new Error('cannot be stored');
    if (asked.includes('away')) throw new Error('PostgreSQL is away');
    return asked.map((one) => `${one} done`);
  };
  const release = async () => {
    releases.shift()!();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { groups, release, group: new GroupCommit(work, (error) => (error as Error).message.includes('away')) };
}

describe('What is asked for at the same time', () => {
  it('runs a lone request at once, and groups requests that arrive while others run', async () => {
    const { groups, release, group } = held();
    const first = group.do('a');
    expect(groups).toEqual([['a']]);
    const others = [group.do('b'), group.do('c')];
    await release();
    expect(await first).toBe('a done');
    expect(groups).toEqual([['a'], ['b', 'c']]);
    await release();
    expect(await Promise.all(others)).toEqual(['b done', 'c done']);
    const last = group.do('d');
    await release();
    expect(await last).toBe('d done');
  });

  it('falls back to one by one when a request fails: only that one fails', async () => {
    const { groups, release, group } = held();
    const all = ['a', 'b', 'poison', 'c'].map((one) => group.do(one).catch((error: Error) => error.message));
    for (let turn = 0; turn < 5; turn += 1) await release();
    expect(await Promise.all(all)).toEqual(['a done', 'b done', 'cannot be stored', 'c done']);
    expect(groups).toEqual([['a'], ['b', 'poison', 'c'], ['b'], ['poison'], ['c']]);
  });

  it('fails the whole group while PostgreSQL is away', async () => {
    const { groups, release, group } = held();
    const all = ['a', 'b', 'away'].map((one) => group.do(one).catch((error: Error) => error.message));
    await release();
    await release();
    expect(await Promise.all(all)).toEqual(['a done', 'PostgreSQL is away', 'PostgreSQL is away']);
    expect(groups).toEqual([['a'], ['b', 'away']]);
  });
});
