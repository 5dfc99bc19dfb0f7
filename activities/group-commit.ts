import { paired } from '../domain/pairs.js';

interface Waiting<Q, A> {
  readonly asked: Q;
  readonly resolve: (answer: A) => void;
  readonly reject: (error: unknown) => void;
}

/** Larger ones gain nothing, and hold the locks of more devices for longer. */
const AT_MOST = 100;

/**
 * Does together, in one transaction, what is asked for while the one before is under way: a lone request waits for
 * no other, and a rush costs PostgreSQL half as many transactions (measured on two cores, where two came together on
 * the average). It exists because a worker runs each activity by itself, however many there are.
 *
 * A group that fails is done one by one, unless what failed is PostgreSQL itself: one that cannot be done spoils no
 * other. Where some wait for rows that another transaction holds, these fail, and the others are done together: one by
 * one each would wait as long again, and all others with it.
 */
export class GroupCommit<Q, A> {
  private waiting: Waiting<Q, A>[] = [];
  private isUnderWay = false;

  /**
   * @param work answers in the order of what is asked.
   * @param held which of these waited for a row, where that is what failed; in the same order. Never throws.
   */
  constructor(
    private readonly work: (asked: readonly Q[]) => Promise<readonly A[]>,
    private readonly isOfAll: (error: unknown) => boolean,
    private readonly held: (asked: readonly Q[], error: unknown) => Promise<readonly boolean[]> = async () => [],
  ) {}

  /** @throws what `work` throws. */
  do(asked: Q): Promise<A> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ asked, resolve, reject });
      void this.begin();
    });
  }

  private async begin(): Promise<void> {
    if (this.isUnderWay) return;
    this.isUnderWay = true;
    while (this.waiting.length > 0) await this.together(this.waiting.splice(0, AT_MOST));
    this.isUnderWay = false;
  }

  private async together(group: readonly Waiting<Q, A>[]): Promise<void> {
    try {
      const answers = await this.work(group.map(({ asked }) => asked));
      for (const [{ resolve }, answer] of paired(group, answers)) resolve(answer);
    } catch (error) {
      if (group.length > 1 && !this.isOfAll(error)) await this.apart(group, error);
      else for (const { reject } of group) reject(error);
    }
  }

  private async apart(group: readonly Waiting<Q, A>[], error: unknown): Promise<void> {
    const held = await this.held(
      group.map(({ asked }) => asked),
      error,
    );
    if (!held.includes(true)) {
      for (const one of group) await this.together([one]);
      return;
    }
    for (const [index, { reject }] of group.entries()) if (held[index] === true) reject(error);
    const others = group.filter((_one, index) => held[index] !== true);
    if (others.length > 0) await this.together(others);
  }
}
