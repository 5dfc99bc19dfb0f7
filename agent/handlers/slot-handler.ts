import { z } from 'zod';
import type { Desired } from '../../protocol/mqtt/payloads.js';
import { NOTHING_HELD, type Held, type InstallWatch } from '../core/installer.js';
import { jsonOf, type SmallFiles } from '../core/small-files.js';
import { codeOf, messageOf } from '../core/write-file.js';

/** How content gets into one slot; the members are those of core/installer.ts. */
export interface SlotHandler {
  current(): Promise<Held>;
  holds(sha256: string): Promise<boolean>;
  install(path: string, desired: Desired, watch: InstallWatch): Promise<void>;
  confirm(signal: AbortSignal): Promise<void>;
  copiesTo?(): Promise<string | undefined>;
  tidy?(): Promise<void>;
}

const held = z.looseObject({
  version: z.string().nullable(),
  sha256: z.string().nullable(),
  installationId: z.string().nullable(),
  revision: z.number(),
  confirmed: z.boolean(),
});

/** What the agent put into a slot last, for slots whose content cannot say so itself. */
export class Remembered {
  constructor(
    private readonly path: string,
    private readonly files: SmallFiles,
  ) {}

  read(): Promise<Held> {
    return this.files.read(this.path, jsonOf<Held>(held), NOTHING_HELD);
  }

  write({ installationId, revision, firmware: { version, sha256 } }: Desired): Promise<void> {
    return this.save({ version, sha256, installationId, revision, confirmed: false });
  }

  /**
   * For a slot that says itself what it holds: where it cannot be written down, the content is there all the same, and
   * only which installation brought it is not known. @param tell why
   */
  async tryToWrite(desired: Desired, tell: (sentence: string) => void): Promise<void> {
    try {
      await this.write(desired);
    } catch (error) {
      if (codeOf(error) === undefined) throw error;
      tell(`installed, but which installation it was cannot be written down: ${messageOf(error)}`);
    }
  }

  async confirm(): Promise<void> {
    const content = await this.read();
    if (!content.confirmed && content.sha256 !== null) await this.save({ ...content, confirmed: true });
  }

  private save(content: Held): Promise<void> {
    return this.files.replace(this.path, JSON.stringify(content));
  }
}

/** What a slot says of itself. */
export interface Said {
  readonly version?: string | null | undefined;
  readonly sha256?: string | null | undefined;
  readonly confirmed?: boolean | undefined;
}

/**
 * What a slot holds, from what it says and from what was put there: the memory counts only where both speak of the same
 * content.
 */
export function heldAs(said: Said, remembered: Held): Held {
  const isSame =
    remembered.sha256 !== null &&
    (said.sha256 != null ? said.sha256.toLowerCase() === remembered.sha256 : said.version === remembered.version);
  if (isSame) return { ...remembered, ...(said.confirmed !== undefined && { confirmed: said.confirmed }) };
  return {
    version: said.version ?? null,
    sha256: said.sha256?.toLowerCase() ?? null,
    installationId: null,
    revision: 0,
    confirmed: said.confirmed ?? true,
  };
}
