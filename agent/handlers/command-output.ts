import { fstatSync, ftruncateSync, readSync } from 'node:fs';
import { open, readdir, stat, truncate, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { StringDecoder } from 'node:string_decoder';
import { codeOf, messageOf } from '../core/write-file.js';

/** What a command's output may take on the disk: beyond it the file begins anew. What is told of it is far less. */
const MOST_ON_DISK = 1024 * 1024;
/** Of the output's end: what is remembered. */
export const MOST_KEPT = 64 * 1024;
/** A line is cut here. A `progress` line has some twenty characters. */
const LONGEST_LINE = 4 * 1024;
/** What is not read any more where a command writes faster than it is read. */
const MOST_BEHIND = 16 * 1024 * 1024;
/** Between two looks, milliseconds, and where there was much to read: a fast writer fills 10 MB in 50 ms. */
const LOOK_MS = 50;
const SOON_MS = 5;

/**
 * What a command writes into one of its output files, read while it comes. The command holds the file itself, because
 * it may outlive us. It is opened for appending: so it can be cut to nothing at any time, and what comes next is
 * written at its beginning.
 */
export class CommandOutput {
  private seen = 0;
  private readonly decoder = new StringDecoder('utf8');
  private line = '';
  private kept = Buffer.alloc(0);
  private timer: NodeJS.Timeout | undefined;
  private readonly piece = Buffer.alloc(MOST_KEPT);

  private constructor(
    private readonly file: FileHandle,
    private readonly onLine: (line: string) => void,
  ) {}

  /** @param onLine sees each whole line, cut to 4 KiB */
  static async open(path: string, onLine: (line: string) => void = () => undefined): Promise<CommandOutput> {
    const file = await open(path, 'a+', 0o600);
    await file.truncate(0);
    return new CommandOutput(file, onLine);
  }

  get fd(): number {
    return this.file.fd;
  }

  follow(): void {
    const read = this.read();
    this.timer = setTimeout(() => this.follow(), read >= MOST_KEPT ? SOON_MS : LOOK_MS);
  }

  /** @returns the end of all that was written */
  async close(): Promise<string> {
    clearTimeout(this.timer);
    this.read();
    await this.file.close();
    return this.kept.toString();
  }

  /** What a command said matters less than how it ended. */
  private read(): number {
    try {
      return this.look();
    } catch (error) {
      this.kept = Buffer.from(`its output could not be read: ${messageOf(error)}`);
      return 0;
    }
  }

  /**
   * Reads what was added. Without a pause between the last read and the cut, so that what is written at that moment
   * stays: it is in the page cache.
   * @returns how many bytes
   */
  private look(): number {
    const { size } = fstatSync(this.fd);
    if (size < this.seen) this.seen = 0;
    if (size - this.seen > MOST_BEHIND) this.seen = size - MOST_BEHIND;
    let all = 0;
    for (let read = 1; read > 0 && all < 2 * MOST_BEHIND; all += read) {
      read = readSync(this.fd, this.piece, 0, this.piece.length, this.seen);
      this.seen += read;
      if (read > 0) this.append(this.piece.subarray(0, read));
    }
    if (this.seen > MOST_ON_DISK) {
      ftruncateSync(this.fd, 0);
      this.seen = 0;
    }
    return all;
  }

  private append(bytes: Buffer): void {
    this.kept = Buffer.concat([this.kept, bytes]).subarray(-MOST_KEPT);
    const [first = '', ...others] = this.decoder.write(bytes).split('\n');
    this.line = (this.line + first).slice(0, LONGEST_LINE);
    for (const next of others) {
      if (this.line.trim() !== '') this.onLine(this.line);
      this.line = next.slice(0, LONGEST_LINE);
    }
  }
}

/**
 * Cuts an output file that the agent does not follow: its command outlived the agent, or left a process behind that
 * goes on writing.
 */
export async function boundOutput(path: string): Promise<void> {
  try {
    if ((await stat(path)).size > MOST_ON_DISK) await truncate(path, 0);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
}

/** The same for all output files below a folder. */
export async function boundOutputs(dir: string): Promise<void> {
  try {
    const entries = await readdir(dir, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile() && /\.(out|err)$/.test(entry.name));
    await Promise.all(files.map((file) => boundOutput(join(file.parentPath, file.name))));
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
}
