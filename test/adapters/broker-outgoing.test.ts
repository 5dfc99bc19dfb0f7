import { describe, expect, it } from '@jest/globals';
import { OutgoingQueues } from '../../adapters/broker/outgoing.js';

const bridge = { id: 'bridge' };
const packet = (brokerCounter: number, messageId?: number) => ({
  brokerCounter,
  payload: `m${brokerCounter}`,
  ...(messageId !== undefined && { messageId }),
});

async function withQueue(length: number): Promise<OutgoingQueues> {
  const store = new OutgoingQueues();
  for (let counter = 1; counter <= length; counter += 1)
    await store.outgoingEnqueueCombi([{ clientId: 'bridge' }], packet(counter));
  return store;
}
const waiting = async (store: OutgoingQueues) => {
  const found: unknown[] = [];
  for await (const one of store.outgoingStream(bridge) as AsyncIterable<{ brokerCounter: number; messageId?: number }>)
    found.push([one.brokerCounter, one.messageId]);
  return found;
};

describe('What a stored session has not acknowledged', () => {
  it('is sent again in the order of its arrival, each under the packet identifier that it had', async () => {
    const store = await withQueue(3);
    await store.outgoingUpdate(bridge, packet(2, 70));
    await store.outgoingUpdate(bridge, packet(1, 71));
    expect(await waiting(store)).toEqual([
      [1, 71],
      [2, 70],
      [3, undefined],
    ]);
  });

  it('is removed by its PUBACK, which returns the message', async () => {
    const store = await withQueue(2);
    await store.outgoingUpdate(bridge, packet(1, 7));
    expect(await store.outgoingClearMessageId(bridge, { messageId: 7 })).toMatchObject({ payload: 'm1' });
    expect(await store.outgoingClearMessageId(bridge, { messageId: 7 })).toBeUndefined();
    expect(await waiting(store)).toEqual([[2, undefined]]);
    expect(store.length).toBe(1);
  });

  it('is kept once where two filters of one client match it', async () => {
    const store = new OutgoingQueues();
    await store.outgoingEnqueueCombi([{ clientId: 'bridge' }, { clientId: 'bridge' }], packet(1));
    expect(store.length).toBe(1);
  });

  it('is not visible to another session', async () => {
    const store = await withQueue(1);
    await store.outgoingUpdate(bridge, packet(1, 7));
    expect(await store.outgoingClearMessageId({ id: 'other' }, { messageId: 7 })).toBeUndefined();
    await expect(store.outgoingUpdate({ id: 'other' }, packet(1, 8))).rejects.toThrow('no such packet');
    expect(store.length).toBe(1);
  });

  it('costs the same for each message, however many wait: 20,000 are written and acknowledged as quickly, one by one, as 2,000', async () => {
    const eachOf = async (length: number) => {
      const store = await withQueue(length);
      const began = process.cpuUsage();
      for (let counter = length; counter > 0; counter -= 1)
        await store.outgoingUpdate(bridge, packet(counter, counter));
      for (let counter = length; counter > 0; counter -= 1)
        await store.outgoingClearMessageId(bridge, { messageId: counter });
      expect(store.length).toBe(0);
      const { user, system } = process.cpuUsage(began);
      return (user + system) / length;
    };
    // The cheapest of each, in time of the processor: on a busy machine only the short ones are never interrupted. A
    // search through the queue would cost ten times as much.
    const [few, many]: [number[], number[]] = [[], []];
    for (let turn = 0; turn < 5; turn += 1) {
      few.push(await eachOf(2_000));
      many.push(await eachOf(20_000));
    }
    expect(Math.min(...many)).toBeLessThan(5 * Math.min(...few));
  });
});
