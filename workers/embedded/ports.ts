import { createServer } from 'node:net';
import { randomInt } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { Log } from '../../runtime/log.js';
import { readJsonIfAny, writePrivateFile } from './private-file.js';

/**
 * Below the range from which systems take the ports of outgoing connections (Linux: 32768): a port that is given up for
 * the second of a restart must not become another program's outgoing one meanwhile.
 */
const FIRST = 15_000;
const LAST = 32_000;
/** A port that was just given up may need a moment. */
const BUSY_LIMIT_MS = 3_000;

/**
 * Tries to listen.
 * @throws Error where the address itself is not one of this machine
 */
export async function isFree(port: number, host = '127.0.0.1'): Promise<boolean> {
  const server = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ port, host, exclusive: true }, resolve);
    });
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EADDRINUSE' || code === 'EACCES') return false;
    throw new Error(`nothing can listen on ${host}: ${(error as Error).message}`, { cause: error });
  } finally {
    if (server.listening) await new Promise((resolve) => server.close(resolve));
  }
}

/** A port that nothing uses at this moment. */
export async function freePort(host = '127.0.0.1', except: ReadonlySet<number> = new Set()): Promise<number> {
  for (let i = 0; i < 200; i++) {
    const port = randomInt(FIRST, LAST);
    if (!except.has(port) && (await isFree(port, host))) return port;
  }
  throw new Error(`no free port from ${FIRST} to ${LAST} was found on ${host}`);
}

/** A port that a setting names. */
export interface WantedPort {
  /** 0 = any free one. */
  port: number;
  host: string;
  /** Name of the setting, for the sentence when it is taken. */
  setting: string;
}

const kept = z.record(z.string(), z.number().int().min(1).max(65_535));

/**
 * Settles each port. Where 0 is wanted a free one is chosen, once per data directory, and kept there (`ports.json`).
 * @throws naming the setting whose port another program has.
 */
export async function settlePorts(
  dataDir: string,
  wanted: Readonly<Record<string, WantedPort>>,
  log: Log,
): Promise<Record<string, number>> {
  const path = join(dataDir, 'ports.json');
  const before = kept.safeParse(readJsonIfAny(path));
  const earlier: Record<string, number> = before.success ? before.data : {};
  const settled: Record<string, number> = {};
  for (const [name, want] of Object.entries(wanted)) {
    const taken = new Set([...Object.values(settled), ...Object.values(wanted).map(({ port }) => port)]);
    settled[name] = want.port === 0 ? await keptOrNew(name, earlier[name], want, taken, log) : await fixed(want);
  }
  const chosen = Object.fromEntries(
    Object.entries(wanted)
      .filter(([, want]) => want.port === 0)
      .map(([name]) => [name, settled[name]]),
  );
  writePrivateFile(path, JSON.stringify({ ...earlier, ...chosen }));
  return settled;
}

async function fixed({ port, host, setting }: WantedPort): Promise<number> {
  if (await becomesFree(port, host)) return port;
  throw new Error(
    `port ${port} on ${host} is used by another program: stop that one, or set ${setting} to another port (0 = any free one)`,
  );
}

async function keptOrNew(
  name: string,
  earlier: number | undefined,
  { host }: WantedPort,
  taken: ReadonlySet<number>,
  log: Log,
): Promise<number> {
  if (earlier !== undefined && !taken.has(earlier) && (await becomesFree(earlier, host))) return earlier;
  const port = await freePort(host, taken);
  if (earlier !== undefined)
    log.warn({ name, earlier, port }, 'the port of the last start is used by another program: a new one was chosen');
  return port;
}

async function becomesFree(port: number, host: string): Promise<boolean> {
  const deadline = Date.now() + BUSY_LIMIT_MS;
  while (!(await isFree(port, host))) {
    if (Date.now() > deadline) return false;
    await sleep(50);
  }
  return true;
}
