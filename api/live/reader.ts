import type { ServerResponse } from 'node:http';

/**
 * What may wait for a reader beside what is written now. Chunks are shared between readers, so that many slow ones cost
 * little more than one; a reader that has not taken this much while the next came is behind by more than its line will
 * make up.
 */
const MAX_BUFFERED_BYTES = 256 * 1024;
/** Within which a reader takes a page of what it missed. */
const DRAIN_MS = 30_000;

/**
 * One client that listens. It exists so that no sender waits for it: a sender writes and goes on, and a
 * reader that does not keep up is cut off. It comes again with `Last-Event-ID`, and is then given what it missed as
 * fast as it takes it.
 *
 * Modes: `catchingUp` (reads the history up to where the others are), `live`, `gone`.
 */
export class Reader {
  private mode: 'catchingUp' | 'live' | 'gone' = 'catchingUp';
  /** What it was told last of how its rollout stands, and when. */
  private counters: { readonly frame: string; readonly at: number } | undefined;
  readonly openedAt = performance.now();

  /**
   * @param rolloutId null = everything of the tenant
   * @param position the number of the entry that it knows last
   */
  constructor(
    private readonly response: ServerResponse,
    readonly tenantId: string,
    readonly rolloutId: string | null,
    public position: number,
    private readonly onSlow: () => void,
  ) {
    response.once('close', () => this.setMode('gone'));
  }

  isGone(): boolean {
    return this.mode === 'gone';
  }

  isLive(): boolean {
    return this.mode === 'live';
  }

  setMode(mode: 'catchingUp' | 'live' | 'gone'): void {
    if (this.mode !== 'gone') this.mode = mode;
  }

  write(chunk: string | Buffer): void {
    if (this.isGone() || chunk.length === 0) return;
    if (this.response.writableLength > MAX_BUFFERED_BYTES) return this.cutOff();
    this.response.write(chunk);
  }

  /**
   * That the connection lives; a page of what it missed that is still on its way tells it as well, and it is not slow
   * for that.
   */
  beat(frame: string): void {
    if (!this.isTakingPage()) this.write(frame);
  }

  private isTakingPage(): boolean {
    return this.mode === 'catchingUp' && this.response.writableLength > 0;
  }

  /** How its rollout stands, where it is something else than it knows; at most once in `paceMs`. */
  show(frame: string, paceMs: number): void {
    if (this.isTakingPage()) return;
    const now = performance.now();
    if (this.counters && (this.counters.frame === frame || now - this.counters.at < paceMs)) return;
    this.counters = { frame, at: now };
    this.write(frame);
  }

  /** Until the reader has taken what was written; one that does not is cut off. */
  async drained(): Promise<void> {
    if (this.isGone() || !this.response.writableNeedDrain) return;
    await new Promise<void>((resolve) => {
      const settle = (): void => {
        clearTimeout(timer);
        this.response.off('drain', settle).off('close', settle);
        resolve();
      };
      const timer = setTimeout(() => {
        settle();
        this.cutOff();
      }, DRAIN_MS);
      this.response.once('drain', settle).once('close', settle);
    });
  }

  end(last = ''): void {
    if (this.isGone()) return;
    this.write(last);
    this.setMode('gone');
    this.response.end();
  }

  private cutOff(): void {
    this.setMode('gone');
    this.response.destroy();
    this.onSlow();
  }
}
