/** What an API's limits end or refuse, as `slipway_http_limited_total` names it. */
export const HTTP_LIMITS = [
  'connections',
  'handshake',
  'headers',
  'body',
  'slow_upload',
  'enrolments',
  'rate',
] as const;
/** One of them. */
export type HttpLimit = (typeof HTTP_LIMITS)[number];

/** Of one limit: an attack shall not fill the log. */
const SAY_EVERY_MS = 10_000;

/** Counts what limits did, and says the first of ten seconds in the log. */
export class Limited {
  /** Since the process began. */
  readonly counts = new Map<HttpLimit, number>(HTTP_LIMITS.map((limit) => [limit, 0]));
  private readonly saidAt = new Map<HttpLimit, number>();

  constructor(private readonly log: { warn(facts: object, sentence: string): void } | undefined) {}

  /** @param sentence what was done, and why */
  note(limit: HttpLimit, sentence: string, facts: object = {}): void {
    this.counts.set(limit, (this.counts.get(limit) ?? 0) + 1);
    const now = performance.now();
    if (now - (this.saidAt.get(limit) ?? -Infinity) < SAY_EVERY_MS) return;
    this.saidAt.set(limit, now);
    this.log?.warn({ limit, ...facts }, sentence);
  }
}
