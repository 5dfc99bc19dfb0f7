import type { State } from './states.js';

/**
 * What can happen to an installation, once `advance` has worked out what an event means for it. A report `installed` is
 * `soak` or `succeed`, a report `failed` is `retry` or `fail`: the policy decides that, the table only says what may
 * follow what.
 */
export const MOVES = [
  'queue',
  'offer',
  'accept',
  'defer',
  'download',
  'downloaded',
  'install',
  'reboot',
  'soak',
  'succeed',
  'retry',
  'fail',
  'reject',
  'cancel',
  'timeOut',
  'supersede',
] as const;
/** A column of `TABLE`. */
export type Move = (typeof MOVES)[number];

/** Every open state may end at any time, and may be reported further along than we saw: reports may skip states. */
const ENDS = {
  succeed: 'installed',
  fail: 'failed',
  reject: 'rejected',
  cancel: 'canceled',
  timeOut: 'timed_out',
  supersede: 'superseded',
} as const;
const LATER = { install: 'installing', reboot: 'rebooting', soak: 'confirming', retry: 'scheduled', ...ENDS } as const;
const NOTHING = {
  queue: null,
  offer: null,
  accept: null,
  defer: null,
  download: null,
  downloaded: null,
  install: null,
  reboot: null,
  soak: null,
  succeed: null,
  retry: null,
  fail: null,
  reject: null,
  cancel: null,
  timeOut: null,
  supersede: null,
} as const;

/**
 * The total table: state × move → next state, or null = "ignored here". What was already seen, and what comes late, is
 * null: so duplicates, reordering and late arrivals need no code of their own (I4). Terminal rows are all null:
 * terminal states are sticky (I3).
 */
export const TABLE = {
  scheduled: {
    queue: 'queued',
    offer: 'delivered',
    accept: 'accepted',
    defer: 'deferred',
    download: 'downloading',
    downloaded: 'downloaded',
    ...LATER,
  },
  queued: {
    queue: null,
    offer: 'delivered',
    accept: 'accepted',
    defer: 'deferred',
    download: 'downloading',
    downloaded: 'downloaded',
    ...LATER,
  },
  delivered: {
    queue: null,
    offer: null,
    accept: 'accepted',
    defer: 'deferred',
    download: 'downloading',
    downloaded: 'downloaded',
    ...LATER,
  },
  accepted: {
    queue: null,
    offer: null,
    accept: null,
    defer: 'deferred',
    download: 'downloading',
    downloaded: 'downloaded',
    ...LATER,
  },
  deferred: {
    queue: null,
    offer: null,
    accept: 'accepted',
    defer: 'deferred',
    download: 'downloading',
    downloaded: 'downloaded',
    ...LATER,
  },
  downloading: {
    queue: null,
    offer: null,
    accept: null,
    defer: 'deferred',
    download: null,
    downloaded: 'downloaded',
    ...LATER,
  },
  downloaded: { queue: null, offer: null, accept: null, defer: 'deferred', download: null, downloaded: null, ...LATER },
  installing: {
    queue: null,
    offer: null,
    accept: null,
    defer: null,
    download: null,
    downloaded: null,
    ...LATER,
    install: null,
  },
  rebooting: {
    queue: null,
    offer: null,
    accept: null,
    defer: null,
    download: null,
    downloaded: null,
    ...LATER,
    install: null,
    reboot: null,
  },
  // In its soak the new content is in the slot: there is nothing left to try again, and a cancellation comes too late.
  confirming: {
    ...NOTHING,
    succeed: 'installed',
    fail: 'failed',
    reject: 'rejected',
    timeOut: 'timed_out',
    supersede: 'superseded',
  },
  installed: NOTHING,
  failed: NOTHING,
  rejected: NOTHING,
  canceled: NOTHING,
  timed_out: NOTHING,
  superseded: NOTHING,
} as const satisfies Record<State, Record<Move, State | null>>;
