import { createHash, timingSafeEqual } from 'node:crypto';
import type { Admission } from './embedded.js';
import { parseUsername } from '../../protocol/mqtt/access.js';
import type { Claim, CredentialKey, CredentialLookup } from './port.js';

/**
 * A restart of the broker or a radio cell brings everyone back within seconds; what is revoked meanwhile leaves the
 * cache at the next look.
 */
const CACHE_MS = 10_000;
const MAX_CACHED = 50_000;
/**
 * All who are connected are asked about this often, and else only what ended in the last minute. Less than that minute:
 * what ended while PostgreSQL was away is found too.
 */
const ASK_ABOUT_ALL_MS = 30_000;
/** Claims that one statement answers. */
const BATCH = 500;

interface Known {
  readonly admission: Admission;
  readonly key: CredentialKey;
  readonly until: number;
}
interface Asked {
  readonly claim: Claim;
  resolve(found: CredentialKey | undefined): void;
  reject(error: unknown): void;
}

/**
 * Answers who a user name and a password are: the service by its own, devices by PostgreSQL. Questions that come while
 * one statement runs are answered together by the next one. A wrong password is never remembered: it may be made a
 * moment later.
 */
export class Passwords {
  private readonly known = new Map<string, Known>();
  private waiting: Asked[] = [];
  private asking = false;
  private askedAboutAllAt = -Infinity;

  constructor(
    private readonly credentials: CredentialLookup,
    private readonly service: { username: string; password: string },
    private readonly now: () => number,
  ) {
    // Otherwise one name would stand for two identities.
    if (parseUsername(service.username))
      throw new Error(
        `MQTT_USERNAME is "${service.username}": that is how devices are named (tenant/node); choose a name without "/"`,
      );
  }

  /** @returns null = a wrong name or password. @throws when PostgreSQL cannot be asked. */
  async check(username: string, password: string): Promise<Admission | null> {
    const secretHash = digest(password);
    if (username === this.service.username)
      return timingSafeEqual(secretHash, digest(this.service.password)) ? { identity: { kind: 'service' } } : null;
    const node = parseUsername(username);
    if (!node) return null;
    const cacheKey = `${username} ${secretHash.toString('base64')}`;
    const known = this.known.get(cacheKey);
    if (known && known.until > this.now()) return known.admission;
    const key = await this.find({ username, secretHash });
    if (!key || key.tenantId !== node.tenant) return null;
    const admission: Admission = { identity: { kind: 'device', ...node }, credentialId: key.id };
    if (this.known.size >= MAX_CACHED) this.known.clear();
    this.known.set(cacheKey, { admission, key, until: this.now() + CACHE_MS });
    return admission;
  }

  /**
   * Which of these admissions rest on a credential that is revoked or gone. They are forgotten here as well. @throws
   * when PostgreSQL cannot be asked.
   */
  async revoked(connected: readonly Admission[]): Promise<Admission[]> {
    this.forget((known) => known.until <= this.now());
    const asked = [...connected, ...[...this.known.values()].map((known) => known.admission)];
    const keys = new Map(
      asked.flatMap(({ identity, credentialId }) =>
        identity.kind === 'device' && credentialId
          ? [[credentialId, { tenantId: identity.tenant, id: credentialId }]]
          : [],
      ),
    );
    if (keys.size === 0) return [];
    const ended = await this.endedOf([...keys.values()]);
    // Only what was asked about: another may have been verified meanwhile.
    const gone = (id: string | undefined) => id !== undefined && keys.has(id) && ended(id);
    this.forget((known) => gone(known.key.id));
    return connected.filter((admission) => gone(admission.credentialId));
  }

  private async endedOf(keys: readonly CredentialKey[]): Promise<(id: string) => boolean> {
    const now = this.now();
    // Also where the clock was set back.
    if (Math.abs(now - this.askedAboutAllAt) < ASK_ABOUT_ALL_MS) {
      const ended = await this.credentials.endedLately();
      if (ended) return (id) => ended.has(id);
    }
    const valid = await this.credentials.stillValid(keys);
    this.askedAboutAllAt = now;
    return (id) => !valid.has(id);
  }

  private forget(which: (known: Known) => boolean): void {
    for (const [cacheKey, known] of this.known) if (which(known)) this.known.delete(cacheKey);
  }

  private find(claim: Claim): Promise<CredentialKey | undefined> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ claim, resolve, reject });
      if (!this.asking) void this.ask();
    });
  }

  private async ask(): Promise<void> {
    this.asking = true;
    while (this.waiting.length > 0) {
      const batch = this.waiting.splice(0, BATCH);
      try {
        const found = await this.credentials.find(batch.map((asked) => asked.claim));
        for (const [at, asked] of batch.entries()) asked.resolve(found[at]);
      } catch (error) {
        for (const asked of batch) asked.reject(error);
      }
    }
    this.asking = false;
  }
}

function digest(password: string): Buffer {
  return createHash('sha256').update(password, 'utf8').digest();
}
