import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { until } from '../support/until.js';

/** What a person waits for at the keyboard, on a busy machine. */
const SCREEN_MS = 30_000;

/** A terminal of its own (tmux) in which a program runs, as a person has it before them. */
export class Terminal {
  private readonly server: readonly string[];

  /**
   * @param name of its server; no other test may have it
   * @throws with the command that installs what is missing
   */
  constructor(
    name: string,
    private readonly env: Readonly<Record<string, string>>,
    private readonly size = { columns: 120, rows: 40 },
  ) {
    this.server = ['-L', `slipway-${process.pid}-${name}`, '-f', '/dev/null'];
  }

  /** Starts a program that is found on the PATH. */
  start(command: string): void {
    const [program = ''] = command.split(' ');
    const folders = (this.env['PATH'] ?? '').split(':');
    for (const one of ['tmux', program])
      if (!folders.some((folder) => existsSync(`${folder}/${one}`)))
        throw new Error(`${one} is missing, and the tests install nothing. Run as root: .ci/install debian`);
    const { columns, rows } = this.size;
    this.tmux('new-session', '-d', '-x', String(columns), '-y', String(rows), command);
  }

  type(text: string): void {
    this.tmux('send-keys', '-l', text);
  }

  /** `Tab`, `Enter`, `C-c`. */
  press(key: string): void {
    this.tmux('send-keys', key);
  }

  /** What it shows, without empty lines at its end. @param colours with their escape sequences */
  screen(colours = false): string {
    return this.tmux('capture-pane', '-p', ...(colours ? ['-e'] : [])).trimEnd();
  }

  /** Waits until it shows this. @returns what it shows then */
  shows(what: RegExp, ms = SCREEN_MS): Promise<string> {
    return until(
      `the terminal shows ${what.source}`,
      () => {
        const now = this.screen();
        if (what.test(now)) return now;
        throw new Error(now);
      },
      ms,
    );
  }

  end(): void {
    this.tmux('kill-server');
  }

  private tmux(...args: readonly string[]): string {
    return execFileSync('tmux', [...this.server, ...args], { encoding: 'utf8', env: { ...this.env } });
  }
}
