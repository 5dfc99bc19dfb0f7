import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A target of a hawkBit, with what belongs to it. */
export interface HeldTarget {
  readonly controllerId: string;
  readonly name: string;
  readonly description?: string;
  readonly securityToken: string;
  readonly targetType?: number;
  readonly targetTypeName?: string;
  readonly attributes?: Readonly<Record<string, string>>;
  readonly tags?: readonly number[];
}

/** A software module of a hawkBit, with its files by name. */
export interface HeldModule {
  readonly id: number;
  readonly name: string;
  readonly version: string;
  readonly type: string;
  readonly typeName: string;
  readonly encrypted?: boolean;
  readonly files: Readonly<Record<string, Buffer>>;
}

/** What a hawkBit has. A test may change it while it runs. */
export interface Held {
  targets: HeldTarget[];
  tags: { id: number; name: string }[];
  modules: HeldModule[];
  sets: { id: number; name: string; version: string; type: string; modules: number[] }[];
  /** Keys of the types of distribution sets that fit a target type. */
  targetTypes: { id: number; name: string; fits: string[] }[];
}

/** hawkBit's own limits of a page. */
const [DEFAULT_PAGE, LARGEST_PAGE] = [50, 500];
/** Every so many requests it asks for patience. */
const BUSY_EVERY = 1_777;

/**
 * A server that answers as the public documentation of hawkBit's management API says
 * (https://eclipse.dev/hawkbit/rest-api/mgmt.html): lists in pages, basic authentication, 204 without content, 429.
 */
export class HawkbitServer {
  private asked = 0;
  /** Paths that were asked for. */
  readonly paths: string[] = [];
  /** Answered with 500 from then on, where a path fits. */
  breaksAt: RegExp | undefined;

  private constructor(
    private readonly server: Server,
    private readonly held: Held,
    private readonly login: { readonly user: string; readonly password: string; readonly readsTokens: boolean },
  ) {}

  static async start(
    held: Held,
    login = { user: 'admin', password: 'a secret: of hawkBit', readsTokens: true },
  ): Promise<HawkbitServer> {
    const server = createServer();
    const hawkbit = new HawkbitServer(server, held, login);
    server.on('request', (request, response) => hawkbit.answer(request, response));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return hawkbit;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }

  private answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '', this.url);
    this.paths.push(url.pathname);
    const { user, password } = this.login;
    const basic = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
    if (request.headers.authorization !== basic) return void response.writeHead(401).end();
    if ((this.asked += 1) % BUSY_EVERY === 0) return void response.writeHead(429).end();
    if (this.breaksAt?.test(url.pathname)) return void response.writeHead(500).end();
    const found = this.find(decodeURIComponent(url.pathname), url.searchParams);
    if (found === undefined) return void response.writeHead(404).end();
    if (Buffer.isBuffer(found))
      return void response.writeHead(200, { 'content-type': 'application/octet-stream' }).end(found);
    if (found === 'nothing') return void response.writeHead(204).end();
    response.writeHead(200, { 'content-type': 'application/hal+json' }).end(JSON.stringify(found));
  }

  private find(path: string, query: URLSearchParams): object | Buffer | 'nothing' | undefined {
    const { targets, tags, modules, sets, targetTypes } = this.held;
    const list = (all: readonly object[]) => pageOf(all, query);
    const [, kind, id = '', part, file, download] =
      /^\/rest\/v1\/([a-z]+)(?:\/([^/]+)(?:\/([a-z]+)(?:\/(\d+)(?:\/(download))?)?)?)?$/.exec(path) ?? [];
    switch (`${kind}${id === '' ? '' : '/{id}'}${part ? `/${part}` : ''}${download ? '/{id}/download' : ''}`) {
      case 'targets':
        return list(targets.map((one) => this.shown(one)));
      case 'targets/{id}/attributes': {
        const attributes = targets.find(({ controllerId }) => controllerId === id)?.attributes ?? {};
        return Object.keys(attributes).length === 0 ? 'nothing' : attributes;
      }
      case 'targettags':
        return list(tags.map((tag) => ({ ...tag, colour: 'green' })));
      case 'targettags/{id}/assigned':
        return list(targets.filter((one) => one.tags?.includes(Number(id))).map((one) => this.shown(one)));
      case 'targettypes':
        return list(targetTypes.map((type) => ({ id: type.id, name: type.name, key: type.name })));
      case 'targettypes/{id}/compatibledistributionsettypes':
        return targetTypes.find((type) => type.id === Number(id))?.fits.map((key) => ({ key, name: key }));
      case 'softwaremodules':
        return list(modules.map(moduleOf));
      case 'softwaremodules/{id}/artifacts':
        return filesOf(modules, id).map(artifactOf);
      case 'softwaremodules/{id}/artifacts/{id}/download':
        return filesOf(modules, id)[Number(file) - 1]?.[1];
      case 'distributionsets':
        return list(
          sets.map((set) => ({
            ...set,
            typeName: set.type,
            modules: modules.filter((module) => set.modules.includes(module.id)).map(moduleOf),
            complete: true,
            deleted: false,
          })),
        );
      default:
        return undefined;
    }
  }

  private shown({ controllerId, name, description, securityToken, targetType, targetTypeName }: HeldTarget): object {
    return {
      ...{ controllerId, name, description, targetType, targetTypeName },
      ...(this.login.readsTokens ? { securityToken } : {}),
      updateStatus: 'unknown',
      requestAttributes: true,
      _links: { self: { href: `${this.url}/rest/v1/targets/${controllerId}` } },
    };
  }
}

function pageOf(all: readonly object[], query: URLSearchParams): object {
  const offset = Number(query.get('offset') ?? 0);
  const limit = Math.min(Number(query.get('limit') ?? DEFAULT_PAGE), LARGEST_PAGE);
  const content = all.slice(offset, offset + limit);
  return { content, total: all.length, size: content.length };
}

function moduleOf({ id, name, version, type, typeName, encrypted = false }: HeldModule): object {
  return { id, name, version, type, typeName, encrypted, description: '', vendor: 'Example', deleted: false };
}

function filesOf(modules: readonly HeldModule[], id: string): [string, Buffer][] {
  return Object.entries(modules.find((module) => module.id === Number(id))?.files ?? {});
}

function artifactOf([providedFilename, bytes]: [string, Buffer], at: number): object {
  const hex = (algorithm: string) => createHash(algorithm).update(bytes).digest('hex');
  const hashes = { sha1: hex('sha1'), md5: hex('md5'), sha256: hex('sha256') };
  return { id: at + 1, providedFilename, size: bytes.length, hashes };
}
