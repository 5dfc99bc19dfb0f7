import { connect, type Client } from '../../client/index.js';
import { chooseProfile, readProfiles, type Chosen } from './profiles.js';
import { printOne, printRows, printValue, type Format, type Sheet, type View } from './print.js';
import { isColourful, styled } from './text.js';
import { VERSION } from './version.js';

/** What every verb takes besides its own options. */
export interface Globals {
  readonly output: Format;
  readonly profile?: string;
}

/** Longer than the 30 s after which the service itself gives up, so that it is its own answer that is seen. */
const ANSWER_MS = 60_000;

/**
 * What a verb works with: the service of the profile, standard output for data, standard error for people. A verb
 * prints by it and nowhere else.
 */
export class Cli {
  private chosen: Chosen | undefined;
  private connected: Client | undefined;

  constructor(
    readonly globals: Globals,
    readonly env: NodeJS.ProcessEnv = process.env,
    private readonly out: NodeJS.WriteStream = process.stdout,
    private readonly err: NodeJS.WriteStream = process.stderr,
  ) {}

  /** Address and sign-in of this command. @throws CliError where none is known */
  get profile(): Chosen {
    return (this.chosen ??= chooseProfile(this.globals.profile, this.env, readProfiles));
  }

  /** The client of that service. @throws CliError where no address is known */
  get client(): Client {
    return (this.connected ??= connectTo(this.profile));
  }

  /** Whether a person sits at both ends: questions may be asked, and what is drawn may move. */
  get isInteractive(): boolean {
    return process.stdin.isTTY && this.err.isTTY;
  }

  /** Whether lines on standard error may be drawn over. */
  get drawsOver(): boolean {
    return this.err.isTTY;
  }

  /** Columns of standard error. */
  get errColumns(): number {
    return this.err.columns ?? 80;
  }

  /** A list of things. */
  async rows<T>(rows: readonly T[], view: View<T>): Promise<void> {
    await this.data(await printRows(rows, view, this.sheet()));
    if (rows.length === 0) this.note('Nothing found.');
  }

  /** One thing. */
  async one<T>(one: T, view: View<T>): Promise<void> {
    await this.data(await printOne(one, view, this.sheet()));
  }

  /**
   * What has a form of its own for people: `text` with `-o table`, otherwise the value. With `-o id`, `id` where there
   * is one.
   */
  async value(value: unknown, text: string, id?: string): Promise<void> {
    const { output } = this.globals;
    if (output === 'table') await this.data(text);
    else if (output === 'id') await this.data(id === undefined ? '' : `${id}\n`);
    else await this.data(await printValue(value, output));
  }

  /** Bytes of data as they are. Resolves when they are taken, so that a slow reader slows the command. */
  data(text: string | Uint8Array): Promise<void> {
    if (text.length === 0) return Promise.resolve();
    return new Promise((resolve, reject) => this.out.write(text, (error) => (error ? reject(error) : resolve())));
  }

  /** A line for people, on standard error. */
  note(line: string): void {
    this.err.write(`${line}\n`);
  }

  /** Raw text on standard error: what is drawn over. */
  draw(text: string): void {
    this.err.write(text);
  }

  /** Text in a colour where standard error shows colours. */
  coloured(style: Parameters<typeof styled>[0], text: string): string {
    return styled(style, text, isColourful(this.err, this.env));
  }

  private sheet(): Sheet {
    return { format: this.globals.output, width: this.out.isTTY ? this.out.columns : undefined };
  }
}

/** The client of a profile; an OIDC token that ends soon is renewed first. */
export function connectTo({ name, profile }: Chosen): Client {
  const { key, oidc } = profile;
  const renewed = async () => {
    const { freshToken } = await import('./sign-in.js');
    return freshToken(name, profile);
  };
  return connect({
    url: profile.url,
    headers: { 'user-agent': `slipway-cli/${VERSION}` },
    fetch: answeredInTime,
    ...(key !== undefined ? { token: key } : oidc === undefined ? {} : { token: renewed }),
  });
}

/** The deadline is for the answer's beginning: an export or a stream may take longer. */
const answeredInTime: typeof fetch = async (input, init) => {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(new Error(`no answer within ${ANSWER_MS / 1000} s`)), ANSWER_MS);
  const outer = init?.signal ?? (input instanceof Request ? input.signal : undefined);
  try {
    const signal = outer ? AbortSignal.any([outer, late.signal]) : late.signal;
    return await fetch(input, { ...init, signal });
  } finally {
    clearTimeout(timer);
  }
};
