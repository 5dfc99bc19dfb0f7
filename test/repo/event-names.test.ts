import { describe, expect, it } from '@jest/globals';
import { DEVICE_EVENTS, EVENT_NAMES, INSTALLATION_EVENTS, ROLLOUT_EVENTS } from '../../domain/webhook/event-names.js';
import { files, read } from './files.js';

describe('The names of events', () => {
  it('are each there once', () => {
    const all = [...EVENT_NAMES];
    expect([...new Set(all)]).toEqual(all);
  });

  it('stand in docs/operations.md, all of them and no others', () => {
    const [, section = ''] = read('docs/operations.md').split('### Names of events\n');
    const rows = [...section.split('\n## ')[0]!.matchAll(/^\| [a-z][^|]* \| (.*) \|$/gm)].map(([, cell]) => cell!);
    const named = rows.flatMap((cell) => [...cell.matchAll(/`([a-z_]+)`/g)].map(([, name]) => name!));
    expect([...new Set(named)].sort()).toEqual([...EVENT_NAMES].sort());
    for (const names of [INSTALLATION_EVENTS, DEVICE_EVENTS])
      expect(rows.some((cell) => names.every((name) => cell.includes(`\`${name}\``)))).toBe(true);
    expect(ROLLOUT_EVENTS.every((name) => rows.slice(2).join().includes(`\`${name}\``))).toBe(true);
  });

  it('are what examples of requests and answers use', () => {
    const wrong = files
      .filter((file) => /^protocol\/http\/.*\.ts$/.test(file))
      .flatMap((file) => [...read(file).matchAll(/\bevent: '(\w+)'/g)].map(([, name]) => `${file}: ${name}`))
      .filter((one) => !(EVENT_NAMES as readonly string[]).includes(one.split(': ')[1]!));
    expect(wrong).toEqual([]);
  });
});
