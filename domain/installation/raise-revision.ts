import { wantsDocument } from './process-status.js';
import { emptySlot, executing, revise, type DeviceAggregate } from './device-aggregate.js';

/**
 * The slot's document must bear a revision above `seen`: one with that revision stands elsewhere (under the node that a
 * child has left, or at a broker that remembers more than a restored database), and a device that reads it there would
 * ignore ours. The same work where it is above already.
 */
export function raiseRevision(aggregate: DeviceAggregate, slotName: string, seen: number): DeviceAggregate {
  const one = executing(aggregate);
  if (!one || one.slot !== slotName || !wantsDocument(one) || one.revision === null || one.revision > seen)
    return aggregate;
  const slot = aggregate.slots[slotName] ?? emptySlot(slotName);
  const raised: DeviceAggregate = {
    ...aggregate,
    slots: { ...aggregate.slots, [slotName]: { ...slot, revision: Math.max(slot.revision, seen) } },
  };
  const { aggregate: revised, installation } = revise(raised, one);
  return { ...revised, installations: { ...revised.installations, [one.id]: installation } };
}
