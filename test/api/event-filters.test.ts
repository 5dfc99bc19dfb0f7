import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { EventName } from '../../domain/webhook/event-names.js';
import { holdLease } from '../../store/db/leases.js';
import { asService } from '../../store/db/transaction.js';
import { writeHistory, type HistoryEntry } from '../../store/history/history.js';
import { seal } from '../../store/history/seal.js';
import { startApi, type ApiUnderTest, type Client } from './api-under-test.js';

/** One event of an answer. */
interface Event {
  number: number;
  at: string;
  event: string;
  deviceId?: string;
  rolloutId?: string;
  data: { by?: string };
}

const T0 = Date.parse('2026-11-24T10:00:00.000Z');
const MINUTE = 60_000;
const [A, B, C] = [randomUUID(), randomUUID(), randomUUID()] as const;
const [R, S] = [randomUUID(), randomUUID()] as const;
const ANN = 'operator:key:ann';
const BEN = 'operator:user:ben@example.com';
/** minutes after T0, event, by, deviceId, rolloutId: in the order in which they were sealed, which is not that of their times. */
const STORY: readonly (readonly [number, EventName, string | undefined, string | undefined, string | undefined])[] = [
  [0, 'created', ANN, undefined, R],
  [1, 'start', ANN, undefined, R],
  [2, 'requested', 'rollout', A, R],
  [2, 'requested', 'rollout', B, R],
  [4, 'delivered', undefined, A, R],
  [3, 'pause', BEN, undefined, R],
  [6, 'created', BEN, undefined, S],
  [5, 'resume', ANN, undefined, R],
  [7, 'requested', ANN, C, undefined],
  [7, 'installed', `device:${A}`, A, R],
  [9, 'failed', `device:${B}`, B, R],
  [8, 'slot', undefined, A, undefined],
  [9, 'pause', ANN, undefined, S],
];
const at = (minutes: number) => new Date(T0 + minutes * MINUTE).toISOString();

let api: ApiUnderTest;
let stranger: Client;
let all: Event[];
beforeAll(async () => {
  api = await startApi('api_event_filters');
  stranger = await api.as({ tenantId: 'strange' });
  const entries = (tenantId: string) =>
    STORY.map(([minutes, event, by, deviceId, rolloutId]): HistoryEntry => ({
      tenantId,
      event,
      at: T0 + minutes * MINUTE,
      data: by === undefined ? {} : { by },
      ...(deviceId === undefined ? {} : { deviceId }),
      ...(rolloutId === undefined ? {} : { rolloutId }),
    }));
  for (const tenantId of ['default', 'strange']) await asService(api.pool, (tx) => writeHistory(tx, entries(tenantId)));
  const epoch = await holdLease(api.pool, 'bridge', 'test', 3_600_000);
  const fence = { name: 'bridge', holder: 'test', epoch: epoch! };
  while ((await seal(api.pool, fence)) > 0);
  all = await read('pageSize=100');
  expect(all.map(({ event }) => event)).toEqual(STORY.map(([, event]) => event));
}, 60_000);
afterAll(() => api.close());

async function read(query: string): Promise<Event[]> {
  const { status, body } = await api.call('GET', `/v1/events?${query}`);
  expect([query, status, status === 200 ? '' : body]).toEqual([query, 200, '']);
  return body.data as Event[];
}

/** The filter, what it lets through by its meaning in the contract, and how many that are here. */
const FILTERS: readonly [query: string, lets: (one: Event) => boolean, count: number][] = [
  [`by=${ANN}`, (one) => one.data.by === ANN, 5],
  [`by=${ANN},rollout`, (one) => [ANN, 'rollout'].includes(one.data.by ?? ''), 7],
  [`by=${encodeURIComponent(BEN)}`, (one) => one.data.by === BEN, 2],
  [`by=device:${A}`, (one) => one.data.by === `device:${A}`, 1],
  ['by=operator:key', () => false, 0],
  ['event=pause', (one) => one.event === 'pause', 2],
  ['event=pause, resume', (one) => ['pause', 'resume'].includes(one.event), 3],
  ['event=abort', () => false, 0],
  [`deviceId=${A}`, (one) => one.deviceId === A, 4],
  [`deviceId=${A},${C}`, (one) => [A, C].includes(one.deviceId as typeof A), 5],
  [`deviceId=${R}`, () => false, 0],
  [`rolloutId=${S}`, (one) => one.rolloutId === S, 2],
  [`rolloutId=${R},${S}`, (one) => one.rolloutId !== undefined, 11],
  [`since=${at(7)}`, (one) => one.at >= at(7), 5],
  [`since=2026-11-24T11:07:00%2B01:00`, (one) => one.at >= at(7), 5],
  [`until=${at(2)}`, (one) => one.at < at(2), 2],
  [`since=${at(3)}&until=${at(7)}`, (one) => one.at >= at(3) && one.at < at(7), 4],
  [`since=${at(7)}&until=${at(7)}`, () => false, 0],
  [
    `by=${ANN}&event=created,pause&rolloutId=${S}&since=${at(1)}&until=${at(10)}`,
    (one) => one.event === 'pause' && one.data.by === ANN,
    1,
  ],
  [`deviceId=${B}&rolloutId=${R}&event=failed`, (one) => one.deviceId === B && one.event === 'failed', 1],
];

describe('GET /v1/events', () => {
  it.each(FILTERS)('with %s has the events that it says, in both orders and in pages', async (query, lets, count) => {
    const wanted = all.filter(lets);
    expect(wanted.length).toBe(count);
    for (const order of ['asc', 'desc']) {
      const expected = order === 'asc' ? wanted : [...wanted].reverse();
      const whole = await api.call('GET', `/v1/events?${query}&order=${order}&pageSize=100`);
      expect([order, whole.body.data]).toEqual([order, expected]);
      expect(whole.body.meta).toMatchObject({ itemsTotal: count });
      const paged: Event[] = [];
      for (let cursor = ''; ;) {
        const { body } = await api.call('GET', `/v1/events?${query}&order=${order}&pageSize=2${cursor}`);
        paged.push(...(body.data as Event[]));
        const next = body.meta.nextCursor as string | undefined;
        if (next === undefined) break;
        cursor = `&cursor=${next}`;
      }
      expect([order, paged]).toEqual([order, expected]);
    }
  });

  it('begins after a number, with every filter', async () => {
    const { number } = all[5]!;
    expect(await read(`after=${number}&by=${ANN}`)).toEqual(
      all.filter((one) => one.number > number && one.data.by === ANN),
    );
  });

  it.each(['', `by=${ANN}`, 'event=pause', `deviceId=${A}`, `rolloutId=${R}`, `since=${at(0)}`])(
    'with "%s" shows nothing of another tenant',
    async (query) => {
      const own = (await stranger.call('GET', `/v1/events?pageSize=100&${query}`)).body.data as Event[];
      expect(own.length).toBeGreaterThan(0);
      expect(own.length).toBe((await read(`pageSize=100&${query}`)).length);
      const { rows } = await api.pool.query<{ number: string }>(
        `SELECT number FROM history WHERE tenant_id = 'strange' AND event <> 'audit'`,
      );
      const theirs = new Set(rows.map((row) => Number(row.number)));
      expect(own.filter(({ number }) => !theirs.has(number))).toEqual([]);
    },
  );

  it.each([
    ['event=exploded', '/query/event'],
    ['event=audit', '/query/event'],
    ['deviceId=hall', '/query/deviceId'],
    [`rolloutId=${R},x`, '/query/rolloutId'],
    ['since=yesterday', '/query/since'],
    ['until=2026-11-24', '/query/until'],
    ['order=newest', '/query/order'],
    ['pageSize=101', '/query/pageSize'],
    ['pageSize=0', '/query/pageSize'],
    ['after=-1', '/query/after'],
    ['cursor=x', '/query/cursor'],
    ['type=pause', '/query'],
  ])('refuses %s, and names it', async (query, pointer) => {
    const { status, body } = await api.call('GET', `/v1/events?${query}`);
    expect([status, body.errorCode]).toEqual([400, 'REQUEST_VALIDATION']);
    expect((body.errors as { pointer: string }[])[0]!.pointer.startsWith(pointer)).toBe(true);
  });
});
