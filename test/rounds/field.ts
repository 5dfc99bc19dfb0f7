import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

/** Bytes of the device's disk: what three files of a round take, and little more. */
const DISK = '16m';
/** What only something under way may leave on the disk. */
const TRACES = /\.(part|etag|new|slipway-new|run)$|(^|\/)busy$|corrupt/;

/**
 * Writes its slot in pieces, does nothing where that is done already, and says so where two are at work at once, or where what it has written is not the file. A
 * full disk is exit code 73.
 */
const INSTALL = `#!/bin/sh
[ ! -e "$DIR/busy" ] || { echo "two at once" >> "$FAULTS"; exit 1; }
mkdir "$DIR/busy" || exit 73
trap 'rm -f "$DIR/slot.new"; rmdir "$DIR/busy"' EXIT
if [ -e "$DIR/slot" ] && sha256sum "$DIR/slot" | grep -q "$SLIPWAY_SHA256"; then exit 0; fi # done before
: > "$DIR/slot.new" || exit 73
piece=0
while [ $piece -lt 5 ]; do
  dd if="$SLIPWAY_FILE" bs=$((SLIPWAY_SIZE / 5)) skip=$piece count=1 2>/dev/null >> "$DIR/slot.new" || exit 73
  echo "progress $((SLIPWAY_SIZE / 5 * (piece + 1)))"
  sleep 0.1
  piece=$((piece + 1))
done
sha256sum "$DIR/slot.new" | grep -q "$SLIPWAY_SHA256" || exit 73
mv "$DIR/slot.new" "$DIR/slot"
`;
const CURRENT = `#!/bin/sh
[ -e "$DIR/slot" ] || { echo '{}'; exit 0; }
printf '{"sha256": "%s"}' "$(sha256sum "$DIR/slot" | cut -d' ' -f1)"
`;

/** A device on a small disk of its own, with a wall clock of its own, on which the real agent runs. */
export class Field {
  private agent: ChildProcess | undefined;
  /** What the agent printed, of all its lives; the end of it. */
  output = '';
  readonly dir: string;

  private constructor(private readonly base: string) {
    this.dir = join(base, 'disk');
  }

  /** @throws where this user may not mount: the device has a disk of its own */
  static create(base: string, login: { url: string; username: string; password: string }): Field {
    const field = new Field(base);
    mkdirSync(field.dir, { recursive: true });
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK},mode=0700`, 'slipway-rounds', field.dir]);
    if (mounted.status !== 0) throw new Error(`the device's disk needs root: ${String(mounted.stderr).trim()}`);
    field.setClock(0);
    for (const [name, body] of [
      ['install.sh', INSTALL],
      ['current.sh', CURRENT],
    ] as const) {
      writeFileSync(join(base, name), body);
      chmodSync(join(base, name), 0o755);
    }
    const firmware = { command: [join(base, 'install.sh')], current: [join(base, 'current.sh')], timeoutSeconds: 60 };
    const slots = { firmware, configuration: { file: join(field.dir, 'configuration') } };
    const config = { ...login, stateDir: join(field.dir, 'state'), slots };
    writeFileSync(join(base, 'agent.json'), JSON.stringify(config), { mode: 0o600 });
    return field;
  }

  remove(): void {
    spawnSync('umount', ['-l', this.dir]);
    rmSync(this.base, { recursive: true, force: true });
  }

  start(): void {
    const moved = ['--import', './dist/test/rounds/moved-clock.js'];
    const args = [...moved, 'dist/agent/main.js', '--config', join(this.base, 'agent.json')];
    const places = { DIR: this.dir, FAULTS: join(this.base, 'faults'), MOVED_CLOCK: join(this.base, 'clock') };
    const child = spawn(process.execPath, args, {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, ...places },
    });
    child.stderr.on('data', (chunk: Buffer) => (this.output = (this.output + chunk.toString()).slice(-40_000)));
    this.agent = child;
  }

  get isRunning(): boolean {
    return this.agent !== undefined && this.agent.exitCode === null && this.agent.signalCode === null;
  }

  /** @returns milliseconds until it had ended */
  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<number> {
    if (!this.agent || !this.isRunning) return 0;
    const begun = performance.now();
    const exited = once(this.agent, 'exit');
    this.agent.kill(signal);
    await exited;
    return performance.now() - begun;
  }

  /** @param seconds how far the device's clock is from the right one */
  setClock(seconds: number): void {
    const file = join(this.base, 'clock');
    writeFileSync(`${file}.new`, String(seconds));
    renameSync(`${file}.new`, file); // it is read at any moment
  }

  /** Another program takes all that is free. */
  fillDisk(): void {
    spawnSync('dd', ['if=/dev/zero', `of=${join(this.dir, 'filler')}`, 'bs=16k'], { stdio: 'ignore' });
  }

  freeDisk(): void {
    rmSync(join(this.dir, 'filler'), { force: true });
  }

  /** SHA-256 of what a slot holds. */
  holds(slot: 'firmware' | 'configuration'): string | undefined {
    const path = join(this.dir, slot === 'firmware' ? 'slot' : 'configuration');
    return existsSync(path) ? createHash('sha256').update(readFileSync(path)).digest('hex') : undefined;
  }

  /** What is wrong with a device at rest; empty = nothing. */
  faults(): string[] {
    const reported = join(this.base, 'faults');
    return [
      ...(existsSync(reported) ? readFileSync(reported, 'utf8').trim().split('\n') : []),
      ...this.files().flatMap((name) => (TRACES.test(name) ? [`the file ${name} was left behind`] : [])),
      ...this.orphans().map((command) => `the process "${command}" was left behind`),
      ...this.unacknowledged().map((receipt) => `the report ${receipt} was not acknowledged`),
    ];
  }

  /** Each thread of the agent, and in which call of the system it is: for a reader of a device that hangs. */
  whereItStands(): string[] {
    const process = `/proc/${this.agent?.pid}`;
    if (!this.isRunning) return [`the agent has ended: ${this.agent?.exitCode ?? this.agent?.signalCode}`];
    return readdirSync(`${process}/task`).map((thread) => {
      const [name, waits, call] = ['comm', 'wchan', 'syscall'].map((file) =>
        textOf(`${process}/task/${thread}/${file}`),
      );
      return `thread ${thread} ${name?.trim()}: ${waits ?? ''}, system call ${call?.trim() ?? ''}`;
    });
  }

  private files(): string[] {
    return readdirSync(this.dir, { recursive: true, withFileTypes: true }).flatMap((entry) =>
      entry.isFile() || entry.name === 'busy' ? [join(entry.parentPath, entry.name).slice(this.dir.length + 1)] : [],
    );
  }

  /** By their environment, which they hand down. */
  private orphans(): string[] {
    return readdirSync('/proc').flatMap((pid) => {
      if (!/^\d+$/.test(pid) || Number(pid) === this.agent?.pid) return [];
      const [environment, status, command] = ['environ', 'status', 'cmdline'].map((name) =>
        textOf(`/proc/${pid}/${name}`),
      );
      if (environment?.split('\0').includes(`DIR=${this.dir}`) !== true || /^State:\s+Z/m.test(status ?? '')) return [];
      return [(command ?? '').replaceAll('\0', ' ')];
    });
  }

  private unacknowledged(): string[] {
    const text = textOf(join(this.dir, 'state', 'state.json'));
    if (text === undefined) return [];
    const state = JSON.parse(text) as { unacknowledged: { installationId: string; state: string }[] };
    return state.unacknowledged.map(({ installationId, state: end }) => `${end} of ${installationId}`);
  }
}

/** @returns undefined where there is none, or not any more, or where it is another user's */
function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}
