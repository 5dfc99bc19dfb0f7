/** The order of a list: by one of its fields; rows that are equal in it are ordered by their id. */
export interface Sort {
  /** As the list names it: `createdAt`. */
  by: string;
  descending: boolean;
}

/** Offset paging for short lists, keyset paging for long ones (docs/contracts/rest-api.md, "Conventions"). */
export interface PageRequest {
  page: number;
  pageSize: number;
  /** Opaque: what `nextCursor` of the page before said. Excludes `page`. */
  cursor?: string;
  /** Absent = newest first. */
  sort?: Sort;
  /** RFC 3339. Only what was made at this time or later; `until`: only what was made before that time. */
  since?: string;
  until?: string;
}

/** How many items a list has over all its pages. */
export interface Total {
  items: number;
  /** False where `items` is an estimate, because there are more than are counted. */
  exact: boolean;
}

/** One page of a list. `nextCursor` is undefined on the last one. */
export interface Page<T> {
  items: T[];
  nextCursor: string | undefined;
  total: Total;
}

/** What comes after a place in a list that is read in one order for ever. */
export interface KeysetRequest {
  readonly pageSize: number;
  /** Opaque: what `nextCursor` of the page before said. */
  readonly cursor?: string;
}
