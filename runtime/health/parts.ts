import { keptFor } from './kept.js';

/** A part that a process needs for its work. */
export interface Part {
  readonly name: string;
  /** Throws, or answers with a sentence, where the part does not do its work. */
  readonly check: () => Promise<string | undefined>;
  /** A sentence about a part that is up, for an operator to act upon. */
  readonly remark?: () => Promise<string | undefined>;
  /** Whether this process can do nothing at all without it: then it is not ready. */
  readonly decides?: boolean;
  /** The part that has to be asked about this one: while that one is not up, nothing is known of this one. */
  readonly askedOf?: string;
}

/** A part that this process cannot ask. `reason` says why; it is `not known`. */
export interface UnknownPart {
  readonly name: string;
  readonly unknown: string;
}

/** `not known`: this process cannot ask it, or the part that knows it is not up. */
export const PART_STATES = ['up', 'down', 'not known'] as const;
/** What /health/ready shows of one part. */
export interface PartState {
  readonly status: (typeof PART_STATES)[number];
  /** One sentence; absent where it is up, and nothing is to be said of it. */
  readonly reason?: string;
}

/** The state of each part by its name, in the order in which the parts were given. */
export type PartStates = Readonly<Record<string, PartState>>;

/** What GET /health/ready answers, of whichever process. `reason`: why it is not ready although its parts are up. */
export interface Readiness {
  readonly status: 'ready' | 'unready';
  readonly reason?: string;
  readonly dependencies: PartStates;
}

/**
 * Each check alone: a probe of a load balancer gives up after a few seconds, and a part that hangs is one that is away.
 */
const CHECK_DEADLINE_MS = 1_500;
/**
 * A check that hangs holds a connection to its part: the same is not asked again before this time, or a part that
 * stalls would take one connection a second from the requests. Then it is: the connection may be lost for good.
 */
const ASK_AGAIN_MS = 15_000;
/** A balancer asks each second or more seldom. What is older than this was asked again. */
const KEPT_MS = 1_000;

/**
 * The health of a process: the state of its parts, looked at once a second at most. A part that decides is one without
 * which this process does nothing; with the others away it goes on with what it can.
 */
export class Health {
  /** All at once, or as they were less than a second ago. Never rejects. */
  readonly states: () => Promise<PartStates>;
  private readonly asked = new Map<string, { answer: Promise<string | undefined>; since: number }>();

  /** @param isEnding whether this process was told to end: then it is not ready, whatever its parts are. */
  constructor(
    private readonly parts: readonly (Part | UnknownPart)[],
    private readonly isEnding: () => boolean = () => false,
  ) {
    this.states = keptFor(KEPT_MS, () => this.look());
  }

  /** @param of `deciding`: the parts that decide; `all`: each of them must be up. */
  async readiness(of: 'deciding' | 'all' = 'deciding'): Promise<Readiness> {
    const dependencies = await this.states();
    const asked = this.parts.filter((part) => of === 'all' || ('decides' in part && part.decides === true));
    const isUp = asked.every(({ name }) => dependencies[name]?.status === 'up');
    if (this.isEnding()) return { status: 'unready', reason: 'this process is shutting down', dependencies };
    return { status: isUp ? 'ready' : 'unready', dependencies };
  }

  private async look(): Promise<PartStates> {
    const seen = new Map(
      await Promise.all(this.parts.map(async (part) => [part.name, await this.stateOf(part)] as const)),
    );
    const known = (part: Part | UnknownPart): PartState => {
      const own = seen.get(part.name) ?? { status: 'not known' };
      if ('unknown' in part || part.askedOf === undefined || own.status === 'up') return own;
      if (seen.get(part.askedOf)?.status === 'up') return own;
      return { status: 'not known', reason: `only the ${part.askedOf} knows, and that is not up` };
    };
    return Object.fromEntries(this.parts.map((part) => [part.name, known(part)]));
  }

  private async stateOf(part: Part | UnknownPart): Promise<PartState> {
    if ('unknown' in part) return { status: 'not known', reason: part.unknown };
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<string>((resolve) => {
      timer = setTimeout(() => resolve(`no answer within ${CHECK_DEADLINE_MS} ms`), CHECK_DEADLINE_MS);
    });
    try {
      const reason = await Promise.race([this.ask(part), late]);
      if (reason !== undefined) return { status: 'down', reason };
      const remark = await Promise.race([part.remark?.(), late]);
      return remark === undefined ? { status: 'up' } : { status: 'up', reason: remark };
    } catch (error) {
      return { status: 'down', reason: reasonOf(error) };
    } finally {
      clearTimeout(timer);
    }
  }

  /** The answer that is still waited for counts, too: it may have been late. */
  private ask({ name, check }: Part): Promise<string | undefined> {
    const now = performance.now();
    const before = this.asked.get(name);
    if (before && now - before.since < ASK_AGAIN_MS) return before.answer;
    const asked = { answer: check(), since: now };
    this.asked.set(name, asked);
    const answered = () => void (this.asked.get(name) === asked && this.asked.delete(name));
    asked.answer.then(answered, answered);
    return asked.answer;
  }
}

/** Anyone may read this: an error's code says what is needed, its text may hold addresses. */
function reasonOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? `does not answer (${code})` : 'does not answer';
}
