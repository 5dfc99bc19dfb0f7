import { describe, expect, it } from '@jest/globals';
import { matches } from '../../../adapters/broker/retained.js';
import { mayPublish, mayReceive, maySubscribe, type Identity } from '../../../protocol/mqtt/access.js';
import { accessList } from '../../../protocol/mqtt/access-list.js';
import { UP_TYPES } from '../../../protocol/mqtt/topics.js';

const service: Identity = { kind: 'service' };
const gateway: Identity = { kind: 'device', tenant: 'acme', node: 'gw' };
const others: Identity[] = [
  { kind: 'device', tenant: 'acme', node: 'gw-10' },
  { kind: 'device', tenant: 'other', node: 'gw' },
];

const product = (...lists: readonly (readonly string[])[]): string[] =>
  lists.reduce<string[]>(
    (heads, list) =>
      heads.flatMap((head) => list.map((level) => (level === '' ? head : head === '' ? level : `${head}/${level}`))),
    [''],
  );
const TOPICS = product(
  ['slipway/v1', 'slipway/v2', 'elsewhere'],
  ['acme', 'other'],
  ['gw', 'gw-10'],
  ['gw', 'lamp', ''],
  ['up', 'down', 'sideways'],
  [...UP_TYPES, 'desired', 'cmd', 'ack', 'other', ''],
  ['', 'firmware', 'firmware/deep'],
);
const listed = (filters: readonly string[], topic: string) => filters.some((filter) => matches(filter, topic));

describe('The access list that outside brokers get', () => {
  it.each([
    ['the service', service],
    ['a gateway', gateway],
    ['a device of another node', others[0]!],
    ['a device of another tenant', others[1]!],
  ])('lets %s publish exactly what the matcher lets it', (_who, identity) => {
    const list = accessList(identity);
    expect(TOPICS.filter((topic) => listed(list.publish, topic) !== mayPublish(identity, topic))).toEqual([]);
  });

  it('delivers to each exactly what the matcher delivers, of all that clients may publish', () => {
    const published = TOPICS.filter((topic) =>
      [service, gateway, ...others].some((identity) => mayPublish(identity, topic)),
    );
    expect(published.length).toBeGreaterThan(30);
    for (const identity of [service, gateway, ...others])
      expect(
        published.filter((topic) => listed(accessList(identity).receive, topic) !== mayReceive(identity, topic)),
      ).toEqual([]);
  });

  it('names no filter that the matcher refuses', () => {
    for (const identity of [service, gateway, ...others])
      expect(accessList(identity).subscribe.filter((filter) => !maySubscribe(identity, filter))).toEqual([]);
  });

  it('cannot be made for an id that would be a wildcard', () => {
    for (const node of ['+', '#', 'a/b', ''])
      expect(() => accessList({ kind: 'device', tenant: 'acme', node })).toThrow(/cannot be a level/);
  });
});
