/** Offset paging for short lists, keyset paging for long ones (docs/contracts/rest-api.md, "Conventions"). */
export interface PageRequest {
  page: number;
  pageSize: number;
  /** Opaque: what `nextCursor` of the page before said. Excludes `page`. */
  cursor?: string;
}

/** One page of a list. `nextCursor` is undefined on the last one. */
export interface Page<T> {
  items: T[];
  nextCursor: string | undefined;
}

/** What comes after a place in a list that is read in one order for ever. */
export interface KeysetRequest {
  readonly pageSize: number;
  /** Opaque: what `nextCursor` of the page before said. */
  readonly cursor?: string;
}
