import { DomainError } from '../../domain/errors.js';
import type { Pool } from '../../store/db/pool.js';
import { tooMany } from '../http/rates.js';
import { readTerms, type TenantTerms } from '../../store/db/tenants.js';

/** As with keys (authentication.ts): a suspension is effective everywhere in under 5 s. */
const CACHE_MS = 2_000;
const MINUTE_MS = 60_000;

interface Known {
  readonly terms: TenantTerms | undefined;
  readonly until: number;
}

/**
 * Whether requests of a tenant are taken now: it is not suspended, and sends no more than its quota. What is known of a
 * tenant lives for two seconds and many requests at once ask once, so that few cost a look into the database; requests
 * are counted by minute in this process alone, because a shared count would cost more than the request.
 */
export class TenantAdmission {
  private readonly known = new Map<string, Known>();
  private readonly asked = new Map<string, Promise<TenantTerms | undefined>>();
  private readonly counts = new Map<string, number>();
  private minute = 0;

  /** @param now epoch milliseconds */
  constructor(
    private readonly pool: Pool,
    private readonly now: () => number,
  ) {}

  /** @returns undefined where there is no such tenant. */
  async termsOf(tenantId: string): Promise<TenantTerms | undefined> {
    const known = this.known.get(tenantId);
    if (known && known.until > this.now()) return known.terms;
    const asking =
      this.asked.get(tenantId) ?? readTerms(this.pool, tenantId).finally(() => this.asked.delete(tenantId));
    this.asked.set(tenantId, asking);
    const terms = await asking;
    if (terms === undefined) this.known.delete(tenantId);
    else this.known.set(tenantId, { terms, until: this.now() + CACHE_MS });
    return terms;
  }

  /** @throws DomainError TENANT_SUSPENDED; AUTH_INVALID_TOKEN where the tenant is gone */
  async assertActive(tenantId: string): Promise<TenantTerms> {
    const terms = await this.termsOf(tenantId);
    if (terms === undefined) throw new DomainError('AUTH_INVALID_TOKEN', 'the tenant of this token does not exist');
    if (terms.state !== 'active')
      throw new DomainError('TENANT_SUSPENDED', 'this tenant is suspended: ask the operator of the installation');
    return terms;
  }

  /** Counts one request. @throws DomainError REQUEST_RATE, with the seconds until the next minute. */
  async take(tenantId: string): Promise<void> {
    const { requestsPerMinute } = await this.assertActive(tenantId);
    if (requestsPerMinute === null) return;
    const now = this.now();
    const minute = Math.floor(now / MINUTE_MS);
    if (minute !== this.minute) this.counts.clear();
    this.minute = minute;
    const count = (this.counts.get(tenantId) ?? 0) + 1;
    if (count > requestsPerMinute)
      throw tooMany(
        `this tenant sends more than ${requestsPerMinute} requests a minute`,
        Math.ceil(((minute + 1) * MINUTE_MS - now) / 1_000),
      );
    this.counts.set(tenantId, count);
  }
}
