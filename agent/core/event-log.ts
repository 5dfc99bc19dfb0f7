import type { Clock } from './clock.js';

/**
 * What happened on a device, for observers: a log, a progress display. `phase` is a word, `detail` a sentence
 * or ''.
 */
export interface AgentEvent {
  readonly phase: string;
  readonly detail: string;
  readonly slot: string | null;
  readonly at: number;
}

const LINES = 40;
const LINE_CHARACTERS = 160;
/** `up/log` must fit into a payload of 8 KiB beside its other members. */
const LOG_BYTES = 7_000;

/** Remembers the newest events: what `up/log` tells after a failure, or when it is asked for. */
export class EventLog {
  private lines: string[] = [];

  constructor(
    private readonly listener: (event: AgentEvent) => void,
    private readonly clock: Clock,
  ) {}

  note(phase: string, detail = '', slot: string | null = null): void {
    const at = this.clock.now();
    const line = [new Date(at).toISOString(), slot, phase, detail].filter(Boolean).join(' ');
    this.lines = [...this.lines.slice(1 - LINES), line.slice(0, LINE_CHARACTERS)];
    this.listener({ phase, detail, slot, at });
  }

  /** Oldest first. */
  newest(): string[] {
    let room = LOG_BYTES;
    return this.lines
      .toReversed()
      .filter((line) => (room -= Buffer.byteLength(JSON.stringify(line)) + 1) > 0)
      .reverse();
  }
}
