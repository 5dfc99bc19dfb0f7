/** Connections beside the one that takes reports and sends documents: for logins, and to read what is retained. */
const BESIDE = /-(comparison|administrator)$/;

/** Counts in what mosquitto prints how often the bridge connected. */
export class BridgeConnections {
  begun = 0;
  private rest = '';

  constructor(private readonly username: string) {}

  /** @param text in pieces, as they come */
  take(text: string): void {
    const lines = (this.rest + text).split('\n');
    this.rest = lines.pop() ?? '';
    for (const line of lines) {
      const [, id, user] = /New client connected from \S+ as (\S+) \(.*u'([^']*)'\)/.exec(line) ?? [];
      if (id !== undefined && user === this.username && !BESIDE.test(id)) this.begun += 1;
    }
  }
}
