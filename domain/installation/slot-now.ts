/** What is known of one slot of a device at the moment at which content is to be put there. */
export interface SlotNow {
  /** As the device said last; null = unknown or nothing. */
  readonly sha256: string | null;
  readonly version: string | null;
  readonly confirmed: boolean;
  /** Installations that are open on the slot, by their ids. */
  readonly open: readonly string[];
}

/** Whether the slot holds this content, and has confirmed it. */
export function holdsContent(slot: Pick<SlotNow, 'sha256' | 'confirmed'> | undefined, sha256: string): boolean {
  return slot !== undefined && slot.sha256 === sha256 && slot.confirmed;
}

/** Whether there is nothing to do: the slot holds the content, and nothing is open that would change it. */
export function holdsAlready(slot: SlotNow, sha256: string): boolean {
  return slot.open.length === 0 && holdsContent(slot, sha256);
}
