import type { Client } from '../../../client/index.js';
import { CliError } from '../exit.js';
import type { PlanFile } from '../plan-file.js';
import type { Kind, Wanted } from './documents.js';
import type { Secrets } from './secrets.js';

/** One change of one thing. */
export interface Step {
  readonly action: 'create' | 'change' | 'delete';
  readonly kind: Kind;
  /** `type "Light switch"` */
  readonly name: string;
  /** What differs, as it is shown; no secrets. */
  readonly lines: readonly string[];
  /** For the places of what the API finds wrong; a deletion has none. */
  readonly file?: PlanFile;
  /** @returns what is to be said besides, such as where a secret was kept */
  readonly run: () => Promise<string | undefined>;
}

/** What is to be done for one kind, and what of it is not in the files. */
export interface Planned {
  readonly steps: readonly Step[];
  /** Deletions; done only where they are asked for. */
  readonly surplus: readonly Step[];
  /** So many things are as the files say. */
  readonly same: number;
  /** What is to be said, such as what cannot be compared. */
  readonly notes?: readonly string[];
  /** Faults of the files, each with its place. */
  readonly faults?: readonly string[];
}

/** What the kinds plan with. */
export interface Around {
  readonly client: Client;
  readonly secrets: Secrets;
  readonly documents: readonly Wanted[];
  /** Kinds of which things that are not in the files are to go. */
  readonly pruned: ReadonlySet<Kind>;
  /** Whether secrets are sent although the service has one already. */
  readonly setsSecrets: boolean;
}

/** Runs what may find the file at fault; such a fault gets its place. @returns undefined where there is one */
export async function orFault<T>(
  { placeOf }: PlanFile,
  pointer: string,
  faults: string[],
  run: () => T | Promise<T>,
): Promise<T | undefined> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    faults.push(`${placeOf(pointer)} ${pointer} ${error.message}${error.next === '' ? '' : ` ${error.next}`}`);
    return undefined;
  }
}
