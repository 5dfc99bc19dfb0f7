import { setTimeout as sleep } from 'node:timers/promises';
import { CliError } from '../exit.js';

/** The largest page that hawkBit gives; it takes more for this. */
const PAGE = 500;
const ANSWER_MS = 60_000;
/** hawkBit answers 429 where it is asked too quickly; so often and so long it is asked again. */
const [AGAIN, AGAIN_MS] = [10, 1_000];

/** A list as hawkBit answers it. */
interface Page<T> {
  readonly content: readonly T[];
  readonly total: number;
}

/** A device. `securityToken` is absent where the user may not read it. */
export interface Target {
  readonly controllerId: string;
  readonly name?: string;
  readonly description?: string;
  readonly securityToken?: string;
  /** The id of its type; absent = it has none. */
  readonly targetType?: number;
  readonly targetTypeName?: string;
}

/** A tag of targets. */
export interface TargetTag {
  readonly id: number;
  readonly name: string;
}

/** What is installed. */
export interface SoftwareModule {
  readonly id: number;
  readonly name: string;
  readonly version: string;
  readonly description?: string;
  readonly vendor?: string;
  /** Key of its type: `os`, `application`. */
  readonly type: string;
  readonly typeName?: string;
  readonly encrypted?: boolean;
  readonly deleted?: boolean;
}

/** A file of a software module. */
export interface Artifact {
  readonly id: number;
  readonly providedFilename: string;
  readonly size: number;
  readonly hashes: { readonly sha1?: string; readonly md5?: string; readonly sha256?: string };
}

/** What is assigned to a target: one or more software modules. */
export interface DistributionSet {
  readonly id: number;
  readonly name: string;
  readonly version: string;
  /** Key of its type. */
  readonly type: string;
  readonly modules?: readonly SoftwareModule[];
  readonly deleted?: boolean;
}

/** A type of targets, with the keys of the types of distribution sets that fit it; none named = all fit. */
export interface TargetType {
  readonly id: number;
  readonly name: string;
}

/**
 * A client of hawkBit's management API (https://eclipse.dev/hawkbit/apis/management_api): it only reads.
 * @throws CliError `away` where it does not answer, `noAccess` where it refuses the user
 */
export class ManagementApi {
  private readonly base: string;

  /** @param url where hawkBit is, without `/rest/v1` */
  constructor(
    url: string,
    private readonly user: string,
    private readonly password: string,
  ) {
    this.base = `${url.replace(/\/+$/, '')}/rest/v1`;
  }

  /** A list, to its end, page by page. */
  async all<T>(path: string, seen: (count: number, total: number) => void = () => undefined): Promise<T[]> {
    const all: T[] = [];
    for (;;) {
      const page = await this.read<Page<T>>(`${path}?offset=${all.length}&limit=${PAGE}&sort=id:ASC`);
      all.push(...(page?.content ?? []));
      seen(all.length, page?.total ?? 0);
      if (!page || page.content.length === 0 || all.length >= page.total) return all;
    }
  }

  /** @returns undefined where there is no content */
  async read<T>(path: string): Promise<T | undefined> {
    const response = await this.ask(path, 'application/hal+json, application/json');
    const text = await response.text();
    return text === '' ? undefined : (JSON.parse(text) as T);
  }

  /** The bytes of a file. */
  async download(module: number, artifact: number): Promise<AsyncIterable<Uint8Array>> {
    const response = await this.ask(`/softwaremodules/${module}/artifacts/${artifact}/download`, '*/*');
    if (!response.body) throw new CliError('failed', `hawkBit has no bytes for artifact ${artifact}.`);
    return response.body;
  }

  private async ask(path: string, accept: string): Promise<Response> {
    for (let attempt = 1; ; attempt += 1) {
      const response = await this.fetched(path, accept);
      if (response.ok) return response;
      await response.body?.cancel();
      const { status } = response;
      if (status === 429 && attempt < AGAIN) {
        await sleep(AGAIN_MS);
        continue;
      }
      if (status === 401) throw new CliError('noAccess', `hawkBit does not let ${this.user} in.`, WHO);
      if (status === 403) throw new CliError('noAccess', `hawkBit does not let ${this.user} read ${path}.`, MAY);
      throw new CliError(
        status >= 500 || status === 429 ? 'away' : 'failed',
        `hawkBit answers ${status} for ${this.base}${path}`,
        'Check --url: it is the address of hawkBit, without /rest/v1.',
      );
    }
  }

  private async fetched(path: string, accept: string): Promise<Response> {
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(new Error(`no answer within ${ANSWER_MS / 1000} s`)), ANSWER_MS);
    const basic = Buffer.from(`${this.user}:${this.password}`).toString('base64');
    try {
      return await fetch(`${this.base}${path}`, {
        headers: { authorization: `Basic ${basic}`, accept },
        signal: late.signal,
      });
    } catch (error) {
      const { message, cause } = error as Error;
      throw new CliError(
        'away',
        `hawkBit does not answer at ${this.base}: ${(cause as Error | undefined)?.message || message}`,
        'Check --url, and that hawkBit runs.',
      );
    } finally {
      clearTimeout(timer);
    }
  }
}

const WHO = 'Check --user (hawkBit also takes TENANT\\\\USER) and its password.';
const MAY =
  'It needs READ_TARGET, READ_REPOSITORY and DOWNLOAD_REPOSITORY_ARTIFACT; with READ_TARGET_SEC_TOKEN, tokens.';
