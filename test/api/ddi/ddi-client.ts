import { createHash } from 'node:crypto';

/** What a test reads of an answer; bodies are checked by the test itself. */
export interface DdiReply {
  status: number;
  headers: Headers;
  text: string;
  body: ReturnType<typeof JSON.parse>;
}

/** A client of the interface, written from its text: it follows links and knows of nothing behind them. */
export class DdiClient {
  constructor(
    readonly base: string,
    private readonly authorization: string | undefined,
  ) {}

  /** What it sends as `Authorization`. */
  get credential(): string {
    return this.authorization ?? '';
  }

  async call(method: string, url: string, body?: unknown, headers: Record<string, string> = {}): Promise<DdiReply> {
    const response = await fetch(url.startsWith('http') ? url : this.base + url, {
      method,
      redirect: 'manual',
      headers: {
        ...(this.authorization === undefined ? {} : { authorization: this.authorization }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = /[/+]json\b/.test(response.headers.get('content-type') ?? '') && text !== '';
    return { status: response.status, headers: response.headers, text, body: isJson ? JSON.parse(text) : undefined };
  }

  /** The links of a poll, by name. */
  async links(): Promise<Record<string, string>> {
    const { body } = await this.call('GET', '');
    const links = (body._links ?? {}) as Record<string, { href: string }>;
    return Object.fromEntries(Object.entries(links).map(([name, { href }]) => [name, href]));
  }

  feedback(kind: string, number: string, execution: string, finished = 'none', more: object = {}): Promise<DdiReply> {
    const status = { execution, result: { finished }, ...more };
    return this.call('POST', `/${kind}/${number}/feedback`, { id: number, time: '20261124T100000', status });
  }

  /** The bytes of the one file of an offer, compared as clients compare them. */
  async fetchFile(offer: Offer): Promise<Buffer> {
    const { _links, hashes, size } = offer.deployment.chunks[0]!.artifacts[0]!;
    const response = await fetch(_links['download-http'].href, {
      headers: this.authorization === undefined ? {} : { authorization: this.authorization },
    });
    const bytes = Buffer.from(await response.arrayBuffer());
    if (response.status !== 200 || bytes.length !== size) throw new Error(`${response.status}, ${bytes.length} bytes`);
    for (const [name, hex] of Object.entries(hashes))
      if (createHash(name).update(bytes).digest('hex') !== hex) throw new Error(`${name} is another`);
    return bytes;
  }
}

/** An action as clients read it. */
export interface Offer {
  id: string;
  deployment: {
    download: string;
    update: string;
    chunks: {
      part: string;
      version: string;
      name: string;
      artifacts: {
        filename: string;
        size: number;
        hashes: Record<'sha1' | 'md5' | 'sha256', string>;
        _links: Record<'download' | 'download-http' | 'md5sum' | 'md5sum-http', { href: string }>;
      }[];
    }[];
  };
}
