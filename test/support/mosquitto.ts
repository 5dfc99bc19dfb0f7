import { spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chownSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { initialSecurity, mosquittoConf, type Login } from '../../adapters/broker/mosquitto.js';
import { freePort } from '../../workers/embedded/ports.js';
import { requireProgram } from './programs.js';
import { reachable } from './reachable.js';
import { until } from './until.js';

const PROGRAM = '/usr/sbin/mosquitto';

/**
 * Debian's mosquitto on a free port of loopback, on a folder of its own, with what Slipway generates for it. Owned by
 * the test, which closes it.
 */
export class TestedMosquitto {
  private child: ChildProcess | undefined;
  private printed = '';
  /** Is told what mosquitto prints, as it comes: each connection that begins and ends is a line of it. */
  heard: (text: string) => void = () => undefined;

  private readonly owner = mosquittoUser();

  private constructor(
    readonly dir: string,
    readonly port: number,
    readonly service: Login,
  ) {}

  static async start(): Promise<TestedMosquitto> {
    requireProgram(PROGRAM, 'debian');
    const broker = new TestedMosquitto(mkdtempSync(join(tmpdir(), 'slipway-mosquitto-')), await freePort(), {
      username: 'slipway-service',
      password: randomUUID(),
    });
    const securityFile = join(broker.dir, 'dynamic-security.json');
    broker.write('dynamic-security.json', initialSecurity(broker.service));
    broker.write(
      'mosquitto.conf',
      mosquittoConf({ host: '127.0.0.1', port: broker.port, dataDir: broker.dir, plugin: findPlugin(), securityFile }),
    );
    broker.give(broker.dir);
    await broker.start();
    return broker;
  }

  get url(): string {
    return `mqtt://127.0.0.1:${this.port}`;
  }

  /** By default as a crash does it. */
  async stop(signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<void> {
    const { child } = this;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await ended;
  }

  async start(): Promise<void> {
    // Ends with this process, however that ends. As root it becomes mosquitto's user here: where it does so by itself,
    // the kernel forgets that.
    const { owner } = this;
    const become = owner ? [`--reuid=${owner.uid}`, `--regid=${owner.gid}`, '--clear-groups'] : [];
    const child = spawn(
      'setpriv',
      [...become, '--pdeathsig', 'KILL', PROGRAM, '-c', join(this.dir, 'mosquitto.conf')],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    this.child = child;
    child.stderr.on('data', (chunk: Buffer) => {
      this.printed = (this.printed + chunk.toString()).slice(-10_000);
      this.heard(chunk.toString());
    });
    try {
      await until('mosquitto listens', () => child.exitCode !== null || reachable(this.port), 10_000);
      if (child.exitCode !== null) throw new Error(`mosquitto ended with exit code ${child.exitCode}`);
    } catch (error) {
      await this.close();
      throw new Error(`${(error as Error).message}\n${this.printed}`, { cause: error });
    }
  }

  async restart(signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<void> {
    await this.stop(signal);
    await this.start();
  }

  /** It saves once a minute, when it ends in good order, and now. Resolves when these bytes are among it. */
  async save(bytes: string): Promise<void> {
    this.child?.kill('SIGUSR1');
    await until('mosquitto has saved', () => this.saved(bytes), 60_000);
  }

  /** It forgets sessions and retained messages, or logins too. Only while it is stopped. */
  forget(what: 'messages' | 'logins'): void {
    if (what === 'messages') rmSync(join(this.dir, 'mosquitto.db'), { force: true });
    else this.write('dynamic-security.json', initialSecurity(this.service));
  }

  /** Has it written a message with these bytes to its disk? */
  private saved(bytes: string): boolean {
    const file = join(this.dir, 'mosquitto.db');
    return existsSync(file) && readFileSync(file).includes(bytes);
  }

  async close(): Promise<void> {
    await this.stop();
    rmSync(this.dir, { recursive: true, force: true });
  }

  private write(name: string, content: string): void {
    const path = join(this.dir, name);
    writeFileSync(path, content, { mode: 0o600 });
    this.give(path);
  }

  private give(path: string): void {
    if (this.owner) chownSync(path, this.owner.uid, this.owner.gid);
  }
}

/** As root it does not run as root, and must be able to write. undefined = it runs as the user who runs the tests. */
function mosquittoUser(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const [, , uid, gid] =
    readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .map((line) => line.split(':'))
      .find(([name]) => name === 'mosquitto') ?? [];
  if (uid === undefined || gid === undefined)
    throw new Error('there is no user "mosquitto": Debian\'s package makes one');
  return { uid: Number(uid), gid: Number(gid) };
}

function findPlugin(): string {
  const found = readdirSync('/usr/lib')
    .map((name) => `/usr/lib/${name}/mosquitto_dynamic_security.so`)
    .find((path) => existsSync(path));
  if (found === undefined)
    throw new Error("mosquitto_dynamic_security.so is nowhere below /usr/lib: is it Debian's mosquitto?");
  return found;
}
