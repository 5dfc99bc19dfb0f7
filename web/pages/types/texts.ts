import type { DeviceType } from '../../service/types.js';

/** A slot as one types it. */
export interface SlotLine {
  /** Of the line, while its slot is renamed. */
  readonly key: number;
  readonly slot: string;
  readonly name: string;
  /** Whether the type has it already: its key is then in addresses and topics, and stays. */
  readonly isThere: boolean;
}

/** A device type as one types it. */
export interface Texts {
  readonly name: string;
  readonly manufacturer: string;
  readonly model: string;
  readonly description: string;
  readonly communicationInterval: string;
  readonly slots: readonly SlotLine[];
}

const SLOT = /^[a-zA-Z0-9_]{1,255}$/;

/** What a form begins with. A new type has one slot, named firmware, as most have. */
export function textsOf(of: DeviceType | undefined): Texts {
  return {
    name: of?.name ?? '',
    manufacturer: of?.manufacturer ?? '',
    model: of?.model ?? '',
    description: of?.description ?? '',
    communicationInterval: of?.communicationInterval == null ? '' : String(of.communicationInterval),
    slots: of
      ? Object.entries(of.slots).map(([slot, { name }], key) => ({ key, slot, name, isThere: true }))
      : [firstSlot([])],
  };
}

/** A line for one more slot. */
export function firstSlot(lines: readonly SlotLine[]): SlotLine {
  const key = Math.max(-1, ...lines.map((line) => line.key)) + 1;
  if (lines.length === 0) return { key, slot: 'firmware', name: 'Firmware', isThere: false };
  return { key, slot: '', name: '', isThere: false };
}

/** What is wrong with the slots, in a sentence. */
export function slotFault(lines: readonly SlotLine[]): string | undefined {
  const names = lines.map(({ slot }) => slot.trim());
  const bad = names.findIndex((slot) => !SLOT.test(slot));
  if (bad >= 0) return `Slot ${bad + 1} consists of letters, digits and _.`;
  const twice = names.find((slot, index) => names.indexOf(slot) !== index);
  return twice === undefined ? undefined : `The slot ${twice} is there twice.`;
}

/** The body of the request: of a new type all of it, of one that is there a merge patch of what differs. */
export function bodyOf(texts: Texts, of: DeviceType | undefined): Record<string, unknown> {
  const { slots, communicationInterval, ...own } = texts;
  const seconds = communicationInterval.trim();
  const wanted: Record<string, unknown> = {
    ...Object.fromEntries(Object.entries(own).map(([name, text]) => [name, text.trim() === '' ? null : text.trim()])),
    // What is no number is sent as it is: the service says what is wrong with it.
    communicationInterval: seconds === '' ? null : /^\d+$/.test(seconds) ? Number(seconds) : seconds,
  };
  const lines = Object.fromEntries(slots.map(({ slot, name }) => [slot.trim(), { name: name.trim() || slot.trim() }]));
  if (!of) return { ...Object.fromEntries(Object.entries(wanted).filter(([, value]) => value !== null)), slots: lines };
  const before: Record<string, unknown> = { ...of };
  const gone = Object.keys(of.slots).filter((slot) => !(slot in lines));
  const changed = Object.entries(lines).filter(([slot, { name }]) => of.slots[slot]?.name !== name);
  const patch = Object.fromEntries([...gone.map((slot) => [slot, null] as const), ...changed]);
  return {
    ...Object.fromEntries(Object.entries(wanted).filter(([name, value]) => (before[name] ?? null) !== value)),
    ...(Object.keys(patch).length === 0 ? {} : { slots: patch }),
  };
}
