/** `well`: as it should be. `fault`: it does not work. `look`: it works, and a person should act. */
export const STATES = ['well', 'fault', 'look', 'not known'] as const;

/** What was found of one part of an installation. */
export interface Finding {
  /** `database`, `clock`, `key`. */
  readonly part: string;
  readonly state: (typeof STATES)[number];
  /** One sentence. */
  readonly says: string;
  /** What to do; '' where there is nothing to do. */
  readonly next: string;
}

/** It is as it should be. */
export function well(part: string, says: string): Finding {
  return { part, state: 'well', says, next: '' };
}

/** It does not work. */
export function fault(part: string, says: string, next: string): Finding {
  return { part, state: 'fault', says, next };
}

/** It works, and a person should act. */
export function look(part: string, says: string, next: string): Finding {
  return { part, state: 'look', says, next };
}

/** Nothing can be said of it while something else is away. */
export function notKnown(part: string, says: string): Finding {
  return { part, state: 'not known', says, next: '' };
}
