import { readFileSync, readdirSync } from 'node:fs';

/** USER_HZ is 100 on every Linux that Node runs on (proc(5)). */
const TICK_MS = 10;
const PAGE_BYTES = 4_096;

interface Entry {
  readonly pid: number;
  readonly parent: number;
  readonly command: string;
  /** Of itself, and of its children that have ended and were waited for: PostgreSQL's backends come and go. */
  readonly cpuMs: number;
  readonly rssBytes: number;
}

/**
 * What one part of the service has used. `memoryMb`: resident, PostgreSQL's shared memory counted once. `fileMb`: of
 * it, pages of files, mostly Node's own code.
 */
export interface Use {
  readonly cpuMs: number;
  readonly memoryMb: number;
  readonly fileMb: number;
}

/**
 * The parts of the all in one, by what their command lines contain. A process that is none of them belongs to its
 * parent's.
 */
const PARTS: readonly (readonly [name: string, command: string])[] = [
  ['up', 'workers/up.js'],
  ['broker', 'workers/broker.js'],
  ['api', 'workers/api.js'],
  ['orchestrator', 'workers/orchestrator.js'],
  ['bridge', 'workers/bridge.js'],
  ['temporal', 'server start-dev'],
  ['postgres', 'postgres -D'],
  ['postgres', 'postgres: '],
];
/** Slipway's own processes: what the target for memory is about. */
export const OWN_PARTS = ['up', 'api', 'orchestrator', 'bridge', 'broker'] as const;

/** CPU and memory of a process and all below it, by part; what is no part of the service stands under `rest`. */
export function usageBelow(pid: number): ReadonlyMap<string, Use> {
  const usage = new Map<string, Use>();
  const entries = readStats('/proc');
  const add = (entry: Entry, inherited: string): void => {
    const name = PARTS.find(([, command]) => entry.command.includes(command))?.[0] ?? inherited;
    const before = usage.get(name) ?? { cpuMs: 0, memoryMb: 0, fileMb: 0 };
    usage.set(name, {
      cpuMs: before.cpuMs + entry.cpuMs,
      memoryMb: before.memoryMb + memoryMb(entry, name),
      fileMb: before.fileMb + fileMb(entry),
    });
    for (const child of entries) if (child.parent === entry.pid) add(child, name);
  };
  const root = entries.find((entry) => entry.pid === pid);
  if (root) add(root, 'rest');
  return usage;
}

/**
 * CPU milliseconds of the threads of a Node process: of the one that runs JavaScript, and of all others (files,
 * compiler, collector).
 */
export interface ThreadUse {
  readonly javascript: number;
  readonly others: number;
}

/** Of a part of the service below `pid`, all its processes together. */
export function threadsBelow(pid: number, part: string): ThreadUse {
  const command = PARTS.find(([name]) => name === part)?.[1];
  if (command === undefined) throw new Error(`the service has no part ${part}`);
  const entries = readStats('/proc');
  const isBelow = (entry: Entry | undefined): boolean =>
    entry !== undefined && (entry.pid === pid || isBelow(entries.find((one) => one.pid === entry.parent)));
  const found = entries.filter((entry) => entry.command.includes(command) && isBelow(entry));
  const threads = found.flatMap((entry) =>
    readStats(`/proc/${entry.pid}/task`).map((thread) => ({ ...thread, isMain: thread.pid === entry.pid })),
  );
  const sum = (isMain: boolean) =>
    threads.filter((thread) => thread.isMain === isMain).reduce((ms, { cpuMs }) => ms + cpuMs, 0);
  return { javascript: sum(true), others: sum(false) };
}

/** CPU milliseconds of each part since `before`. */
export function spent(before: ReadonlyMap<string, Use>, after: ReadonlyMap<string, Use>): ReadonlyMap<string, number> {
  return new Map([...after].map(([name, { cpuMs }]) => [name, cpuMs - (before.get(name)?.cpuMs ?? 0)]));
}

export function total(usage: ReadonlyMap<string, Use>): number {
  return [...usage.values()].reduce((sum, { cpuMs }) => sum + cpuMs, 0);
}

/** CPU milliseconds that this machine has worked, for whomever. */
export function machineCpuMs(): number {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softIrq = 0] = (
    readFileSync('/proc/stat', 'utf8').split('\n')[0] ?? ''
  )
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return (user + nice + system + irq + softIrq) * TICK_MS;
}

/** Of all processes, or of all threads of one. */
function readStats(folder: string): Entry[] {
  return readdirSync(folder)
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        return [
          parseStat(
            readFileSync(`${folder}/${name}/stat`, 'utf8'),
            readFileSync(`${folder}/${name}/cmdline`, 'utf8').replaceAll('\0', ' '),
          ),
        ];
      } catch (error) {
        if (isGone(error)) return [];
        throw error;
      }
    });
}

/**
 * The command's name, in parentheses, may itself hold spaces and parentheses: fields are counted from the last one
 * (proc(5)).
 */
export function parseStat(stat: string, command: string): Entry {
  const fields = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  const [, parent = 0] = fields;
  const ticks = fields.slice(11, 15).reduce((sum, one) => sum + one, 0);
  return {
    pid: Number.parseInt(stat, 10),
    parent,
    command,
    cpuMs: ticks * TICK_MS,
    rssBytes: (fields[21] ?? 0) * PAGE_BYTES,
  };
}

/**
 * PostgreSQL's processes share their buffers: each is counted by its proportional share, or they would be counted a
 * dozen times.
 */
function memoryMb({ pid, rssBytes }: Entry, name: string): number {
  return name === 'postgres' ? megabytesOf(`/proc/${pid}/smaps_rollup`, 'Pss') : rssBytes / 1e6;
}

function fileMb({ pid }: Entry): number {
  return megabytesOf(`/proc/${pid}/status`, 'RssFile');
}

/** A line `Name:  123 kB` of a file below /proc; 0 where the process has ended. */
function megabytesOf(file: string, name: string): number {
  try {
    const [, kilobytes = '0'] = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(readFileSync(file, 'utf8')) ?? [];
    return (Number(kilobytes) * 1_024) / 1e6;
  } catch (error) {
    if (isGone(error)) return 0;
    throw error;
  }
}

/**
 * What Slipway's own processes take of the machine together: Node's code, which all five have mapped from one file, is
 * there once. Counted so, and not by proportional shares, it does not depend on who else on the machine runs Node.
 */
export function togetherMb(usage: ReadonlyMap<string, Use>): number {
  const own = OWN_PARTS.flatMap((name) => usage.get(name) ?? []);
  return (
    own.reduce((sum, { memoryMb: resident, fileMb: mapped }) => sum + resident - mapped, 0) +
    Math.max(0, ...own.map((use) => use.fileMb))
  );
}

/** It ended between the listing and the reading. */
function isGone(error: unknown): boolean {
  return ['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '');
}
