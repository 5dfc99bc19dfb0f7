/**
 * `draft` has no blob yet; only `ready` can be installed; `expired` never got a blob in time
 * (docs/contracts/rest-api.md, "Firmware").
 */
export type FirmwareState = 'draft' | 'ready' | 'expired' | 'retired';

/** A firmware's metadata, immutable but for its state. Times are epoch milliseconds. */
export interface Firmware {
  readonly tenantId: string;
  readonly id: string;
  readonly name: string;
  readonly description: string | null;
  readonly version: string | null;
  readonly state: FirmwareState;
  /** There once a blob is attached; stays with a tombstone. Size in bytes. */
  readonly content: { readonly sha256: string; readonly size: number } | null;
  /** What its blob must be, where that was said when it was created. Size in bytes. */
  readonly expected: { readonly sha256?: string; readonly size?: number } | null;
  readonly contentType: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly createdBy: string;
  readonly createdAt: number;
  readonly updatedAt: number;
}
