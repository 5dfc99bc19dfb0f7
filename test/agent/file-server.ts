import { createHash, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ServedFile {
  readonly url: string;
  readonly version: string;
  readonly bytes: Buffer;
  readonly sha256: string;
}

interface Request {
  readonly path: string;
  readonly range: string | undefined;
  readonly ifRange: string | undefined;
  readonly status: number;
}

/** How the next answers misbehave; each answer takes the first one from the list. */
export type Mishap =
  | { readonly cutAfter: number }
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>> }
  /** Other bytes, in one answer of 200. `chunked`: their number is not told. */
  | { readonly instead: Buffer; readonly chunked?: boolean }
  | { readonly stallAfter: number }
  | { readonly redirectTo: string };

/** A real HTTP server with Range, If-Range and ETag (RFC 9110 §13, §14), and mishaps on request. */
export class FileServer {
  readonly requests: Request[] = [];
  readonly mishaps: Mishap[] = [];
  /** false = as a server that knows no versions. */
  hasEtags = true;
  private readonly files = new Map<string, { bytes: Buffer; etag: string }>();

  private constructor(
    private readonly server: Server,
    private readonly base: string,
  ) {}

  static async start(): Promise<FileServer> {
    const server = createServer();
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const files = new FileServer(server, `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    server.on('request', (request, response) => files.serve(request, response));
    return files;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise<void>((done) => this.server.close(() => done()));
  }

  /** Each answer that is under way breaks off. */
  dropAll(): void {
    this.server.closeAllConnections();
  }

  /** @param size bytes of chance */
  file(version: string, size: number): ServedFile {
    const bytes = randomBytes(size);
    const path = `/${version}`;
    this.put(path, bytes);
    return {
      url: `${this.base}${path}?signature=abc`,
      version,
      bytes,
      sha256: createHash('sha256').update(bytes).digest('hex'),
    };
  }

  /** Other bytes at the same place. */
  put(path: string, bytes: Buffer): void {
    this.files.set(path, { bytes, etag: `"${createHash('sha256').update(bytes).digest('hex').slice(0, 16)}"` });
  }

  private serve(request: IncomingMessage, response: ServerResponse): void {
    const path = new URL(request.url ?? '/', this.base).pathname;
    const { range } = request.headers;
    const ifRange = request.headers['if-range'] as string | undefined;
    const found = this.files.get(path);
    const mishap = this.mishaps.shift();
    const answer = (status: number, headers: Record<string, string | number> = {}) => {
      this.requests.push({ path, range, ifRange, status });
      response.writeHead(status, headers);
    };
    if (mishap !== undefined && 'status' in mishap) return (answer(mishap.status, mishap.headers), void response.end());
    if (mishap !== undefined && 'instead' in mishap) {
      answer(200, mishap.chunked === true ? {} : { 'content-length': mishap.instead.length });
      return void response.end(mishap.instead);
    }
    if (mishap !== undefined && 'redirectTo' in mishap)
      return (answer(302, { location: mishap.redirectTo }), void response.end());
    if (!found) return (answer(404), void response.end());
    const { bytes, etag } = found;
    const from = Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? NaN);
    const isPart = Number.isInteger(from) && (ifRange === undefined || ifRange === etag);
    if (isPart && from >= bytes.length)
      return (answer(416, { 'content-range': `bytes */${bytes.length}` }), void response.end());
    const body = isPart ? bytes.subarray(from) : bytes;
    answer(isPart ? 206 : 200, {
      ...(this.hasEtags && { etag }),
      'accept-ranges': 'bytes',
      'content-length': body.length,
      ...(isPart && { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` }),
    });
    if (mishap === undefined || 'status' in mishap) return void response.end(body);
    if ('stallAfter' in mishap) return void response.write(body.subarray(0, mishap.stallAfter));
    response.write(body.subarray(0, mishap.cutAfter), () => response.destroy());
  }
}
