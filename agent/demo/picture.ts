import type { InstallationResource } from './operator.js';

/** One device of the picture, as far as it is known. */
export interface Actor {
  readonly name: string;
  readonly profile: string;
  readonly installation: InstallationResource;
  /** The newest thing that the device said of itself. */
  readonly said: string;
}

const ENDED = new Set(['installed', 'failed', 'rejected', 'canceled', 'timed_out', 'superseded']);
export const isOver = (installation: InstallationResource) => ENDED.has(installation.state);

const CSI = '\u001b[';
const colour = (code: number, text: string, on: boolean) => (on ? `${CSI}${code}m${text}${CSI}0m` : text);
const COLOURS: Readonly<Record<string, number>> = { installed: 32, failed: 31, rejected: 31, timed_out: 33, canceled: 33, superseded: 33, delivered: 36, scheduled: 90, queued: 90 };

/**
 * The picture while it runs: on a terminal a table that is drawn over itself, elsewhere a line whenever a device's state changes.
 */
export class Picture {
  private drawn = 0;
  private readonly known = new Map<string, string>();

  constructor(private readonly out: NodeJS.WriteStream, private readonly began: number) {}

  draw(actors: readonly Actor[]): void {
    if (this.out.isTTY) this.redraw(actors);
    else this.append(actors);
  }

  private redraw(actors: readonly Actor[]): void {
    const width = this.out.columns ?? 100;
    const over = actors.filter((actor) => isOver(actor.installation)).length;
    const lines = actors.map((actor) => this.line(actor, width));
    lines.push(`${bar(over, actors.length, 30)} ${over} of ${actors.length} have ended, ${seconds(Date.now() - this.began)}`);
    if (this.drawn > 0) this.out.write(`${CSI}${this.drawn}A`);
    this.out.write(lines.map((line) => `${CSI}2K${line}\n`).join(''));
    this.drawn = lines.length;
  }

  private line({ name, profile, installation, said }: Actor, width: number): string {
    const { state, attempt } = installation;
    const head = `${name}  ${profile.padEnd(11)}  ${colour(COLOURS[state] ?? 34, state.padEnd(11), true)} ${attempt > 1 ? `try ${attempt}` : '     '}  `;
    return `${head}${colour(90, said.slice(0, Math.max(0, width - 45)), true)}`;
  }

  private append(actors: readonly Actor[]): void {
    for (const { name, profile, installation } of actors) {
      const now = `${installation.state}${installation.attempt > 1 ? ` (try ${installation.attempt})` : ''}`;
      if (this.known.get(name) === now) continue;
      this.known.set(name, now);
      this.out.write(`${seconds(Date.now() - this.began).padStart(7)}  ${name}  ${profile.padEnd(11)}  ${now}\n`);
    }
  }
}

function bar(done: number, all: number, width: number): string {
  const filled = Math.round((done / Math.max(1, all)) * width);
  return `[${'#'.repeat(filled)}${'.'.repeat(width - filled)}]`;
}

export function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
