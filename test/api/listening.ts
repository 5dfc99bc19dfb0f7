import { until } from '../support/until.js';

export interface Heard {
  id?: number;
  event: string;
  data: ReturnType<typeof JSON.parse>;
}

/** A client of a stream, as EventSource is one, without its coming back by itself. */
export class Listening {
  readonly heard: Heard[] = [];
  comments = 0;
  /** How the stream ended: `ended` as it should, `broken` otherwise; undefined while it goes on. */
  over: 'ended' | 'broken' | undefined;
  private readonly aborting = new AbortController();

  private constructor(
    readonly status: number,
    readonly headers: Headers,
  ) {}

  static async to(url: string, token: string, headers: Record<string, string> = {}): Promise<Listening> {
    const aborting = new AbortController();
    const response = await fetch(url, {
      headers: { authorization: `Bearer ${token}`, accept: 'text/event-stream', ...headers },
      signal: aborting.signal,
    });
    const listening = new Listening(response.status, response.headers);
    aborting.signal.addEventListener('abort', () => undefined);
    listening.aborting.signal.addEventListener('abort', () => aborting.abort());
    if (response.status === 200) void listening.read(response);
    else await response.body?.cancel();
    return listening;
  }

  /** Entries of the history, by their numbers. */
  get ids(): number[] {
    return this.heard.flatMap(({ id }) => (id === undefined ? [] : [id]));
  }

  of(event: string): Heard[] {
    return this.heard.filter((one) => one.event === event);
  }

  async hears(what: string, look: (heard: readonly Heard[]) => boolean, withinMs = 15_000): Promise<void> {
    await until(what, () => look(this.heard), withinMs);
  }

  leave(): void {
    this.aborting.abort();
  }

  private async read(response: Response): Promise<void> {
    const decoder = new TextDecoder();
    let rest = '';
    try {
      for await (const chunk of response.body!) {
        const frames = (rest + decoder.decode(chunk as Uint8Array, { stream: true })).split('\n\n');
        rest = frames.pop()!;
        for (const frame of frames) this.take(frame);
      }
      this.over = 'ended';
    } catch (error) {
      this.over = 'broken';
      if (!this.aborting.signal.aborted && (error as Error).name === 'SyntaxError') throw error;
    }
  }

  private take(frame: string): void {
    if (frame.startsWith(':')) this.comments += 1;
    const fields = Object.fromEntries(
      frame.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
    );
    if (fields['event'] === undefined) return;
    this.heard.push({
      ...(fields['id'] === undefined ? {} : { id: Number(fields['id']) }),
      event: fields['event'],
      data: JSON.parse(fields['data']!),
    });
  }
}
