import { readFile, rename } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { Reserve } from './reserve.js';
import { codeOf, isDiskFull, makeFolder, messageOf, replaceFile } from './write-file.js';

/** Errors that speak of the file itself: the flash gives other bytes than were written, or it is a folder. */
const DAMAGED: ReadonlySet<string> = new Set(['EIO', 'EISDIR', 'EUCLEAN', 'EBADMSG']);

/** A hello names so many; the log has room for more. */
const MOST_DAMAGED = 8;

/**
 * The small files in which the agent remembers things, all below one folder. Written whole or not at all, with room
 * that is kept for them; read with judgement: a power cut, a worn flash or a person may have left anything in them, and
 * one bad file must not end a device, still less a gateway. What cannot be read is set aside as `<name>.corrupt` and
 * told.
 */
export class SmallFiles {
  /** What was set aside, as sentences. */
  readonly damaged: string[] = [];
  /** Is told of each, once. */
  onDamage: (sentence: string) => void = () => undefined;
  private readonly reserve: Reserve | undefined;

  /**
   * @param durable false = the files survive the process, not a power cut, and no room is kept: for simulated devices,
   *   of which there are thousands on one disk
   * @param keepsRoom false = where other files of the agent have it
   */
  constructor(
    private readonly dir: string,
    readonly durable: boolean,
    keepsRoom = durable,
  ) {
    this.reserve = keepsRoom ? new Reserve(join(dir, 'reserve')) : undefined;
  }

  /** @throws where the folder is not there and cannot be made */
  prepare(): Promise<void> {
    return makeFolder(this.dir, this.durable);
  }

  /** Takes the room that is kept, where it is not there yet. */
  async keepRoom(): Promise<void> {
    await this.reserve?.fill();
  }

  /**
   * @param judge throws where the content is not what it should be
   * @param absent where there is no such file
   * @param damaged where there is one that cannot be read
   * @throws what the system says of itself (no descriptor or memory left, no permission): the file may be good
   */
  async read<T>(path: string, judge: (text: string) => T, absent: T, damaged = absent): Promise<T> {
    try {
      return judge(await readFile(path, 'utf8'));
    } catch (error) {
      const code = codeOf(error);
      if (code === 'ENOENT') return absent;
      if (code !== undefined && !DAMAGED.has(code)) throw error;
      await this.setAside(path, messageOf(error));
      return damaged;
    }
  }

  /** @param path below the folder; only one writer per path */
  async replace(path: string, content: string): Promise<void> {
    await makeFolder(dirname(path), this.durable);
    try {
      await replaceFile(path, content, this.durable);
    } catch (error) {
      if (!this.reserve || !isDiskFull(error)) throw error;
      await this.reserve.giveRoomFor(Buffer.byteLength(content), () => replaceFile(path, content, this.durable));
    }
  }

  private async setAside(path: string, why: string): Promise<void> {
    const name = relative(this.dir, path);
    let sentence = `${name} cannot be read (${why.slice(0, 80)}): it is kept as ${name}.corrupt and begun anew`;
    try {
      await rename(path, `${path}.corrupt`);
    } catch (error) {
      if (codeOf(error) === undefined) throw error;
      sentence = `${name} cannot be read (${why.slice(0, 80)}), nor set aside: ${messageOf(error)}`;
    }
    if (this.damaged.length < MOST_DAMAGED && !this.damaged.includes(sentence)) this.damaged.push(sentence);
    this.onDamage(sentence);
  }
}

/** Without the parser's own words: they quote the content, which may be secret. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error('it is not JSON', { cause: error });
  }
}

/** For `read`: JSON that a schema accepts. Returned as it is, with what the schema does not know. */
export function jsonOf<T>(schema: { safeParse(json: unknown): { success: boolean } }): (text: string) => T {
  return (text) => {
    if (text.trim() === '') throw new Error('it is empty');
    const json = parsed(text);
    if (!schema.safeParse(json).success) throw new Error('it is not what this version of the agent writes');
    return json as T;
  };
}
