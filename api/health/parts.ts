import { readHeldLeases } from '../../store/db/vitals.js';
import type { Services } from '../http/route.js';

/** A part that this service cannot do its work without. */
export interface Part {
  readonly name: string;
  /** Throws, or answers with a sentence, where the part does not do its work. */
  readonly check: () => Promise<string | undefined>;
  /** The part that has to be asked about this one: while that one is not up, nothing is known of this one. */
  readonly askedOf?: string;
}

/** `not known`: it has not been asked yet, or the part that knows it is not up. */
export const PART_STATES = ['up', 'down', 'not known'] as const;
/** What /health/ready shows of one part. */
export interface PartState {
  readonly status: (typeof PART_STATES)[number];
  /** One sentence; absent where it is up. */
  readonly reason?: string;
}

/**
 * Each check alone: a probe of a load balancer gives up after a few seconds, and a part that hangs is one that is away.
 */
const CHECK_DEADLINE_MS = 1_500;

/** Asks all parts at once. @returns the state of each, by name, in the order in which they were given. */
export async function statesOf(parts: readonly Part[]): Promise<Record<string, PartState>> {
  const seen = new Map(await Promise.all(parts.map(async (part) => [part.name, await checked(part)] as const)));
  const state = ({ askedOf }: Part, own: PartState): PartState => {
    if (askedOf === undefined || own.status === 'up' || seen.get(askedOf)?.status === 'up') return own;
    return { status: 'not known', reason: `only the ${askedOf} knows, and that is not up` };
  };
  return Object.fromEntries(
    parts.map((part) => [part.name, state(part, seen.get(part.name) ?? { status: 'not known' })]),
  );
}

/** What PostgreSQL knows: itself, and who holds a lease. Bridge and orchestrator renew theirs every second. */
export function ownParts({ pool, blobs }: Pick<Services, 'pool' | 'blobs'>): Part[] {
  return [
    { name: 'database', check: async () => void (await pool.query('SELECT 1')) },
    heldLease(pool, 'bridge', 'no bridge holds the lease: reports of devices wait in the broker'),
    heldLease(pool, 'orchestrator', 'no orchestrator holds the lease: installations do not go on'),
    { name: 'blobs', check: () => blobs.probe() },
  ];
}

/** A part that shows that it works by renewing a lease. `missing` says what follows where it does not. */
export function heldLease(
  pool: Services['pool'],
  name: string,
  missing: string,
  { lease = name, askedOf = 'database' } = {},
): Part {
  return { name, check: async () => ((await readHeldLeases(pool)).has(lease) ? undefined : missing), askedOf };
}

async function checked({ check }: Part): Promise<PartState> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve(`no answer within ${CHECK_DEADLINE_MS} ms`), CHECK_DEADLINE_MS);
  });
  try {
    const reason = await Promise.race([check(), late]);
    return reason === undefined ? { status: 'up' } : { status: 'down', reason };
  } catch (error) {
    return { status: 'down', reason: reasonOf(error) };
  } finally {
    clearTimeout(timer);
  }
}

/** Anyone may read this: an error's code says what is needed, its text may hold addresses. */
function reasonOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? `does not answer (${code})` : 'does not answer';
}
