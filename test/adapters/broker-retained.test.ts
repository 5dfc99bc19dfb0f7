import { describe, expect, it } from '@jest/globals';
import { matches, retainedByNode } from '../../adapters/broker/retained.js';

describe('A filter', () => {
  // MQTT 3.1.1 §4.7.1, with its own examples.
  it.each([
    ['sport/tennis/#', 'sport/tennis', true],
    ['sport/tennis/#', 'sport/tennis/player1/ranking', true],
    ['sport/#', 'sport', true],
    ['#', 'a/b/c', true],
    ['sport/tennis/+', 'sport/tennis/player1', true],
    ['sport/tennis/+', 'sport/tennis/player1/ranking', false],
    ['sport/+', 'sport', false],
    ['sport/+', 'sport/', true],
    ['+/+', '/finance', true],
    ['+', '/finance', false],
    ['a/b', 'a/b', true],
    ['a/b', 'a/b/c', false],
    ['a/b/c', 'a/b', false],
    ['a/+/c', 'a/b/c', true],
    ['a/b/#', 'a', false],
  ])('%s on %s: %s', (filter, topic, expected) => {
    expect(matches(filter, topic)).toBe(expected);
  });
});

describe('Retained messages', () => {
  const found = async (store: ReturnType<typeof retainedByNode>, ...filters: string[]) => {
    const topics: string[] = [];
    for await (const packet of store.createRetainedStreamCombi(filters) as AsyncIterable<{ topic: string }>)
      topics.push(packet.topic);
    return topics;
  };

  it('are found by their node, by a wildcard in its place, and not once they are cleared', async () => {
    const store = retainedByNode();
    const [a, b, short] = ['slipway/v1/t/a/a/down/desired/x', 'slipway/v1/t/b/b/down/desired/x', 'slipway/v1'];
    for (const topic of [a, b, short]) await store.storeRetained({ topic, payload: Buffer.from('1') });
    expect(await found(store, 'slipway/v1/t/a/+/down/#')).toEqual([a]);
    expect(await found(store, 'slipway/v1/+/+/+/down/#')).toEqual([a, b]);
    expect(await found(store, 'slipway/v1', 'slipway/v1/t/c/#', '#')).toEqual([short, a, b, short]);
    await store.storeRetained({ topic: a, payload: Buffer.alloc(0) });
    await store.storeRetained({ topic: a, payload: Buffer.alloc(0) });
    expect(await found(store, '#')).toEqual([b, short]);
  });
});
