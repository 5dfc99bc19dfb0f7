import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../free-port.js';
import type { Context } from '../part.js';
import { until } from '../wait.js';

const PROGRAM = '/usr/sbin/mosquitto';

/** Whether Debian's package is installed. */
export function hasMosquitto(): boolean {
  return existsSync(PROGRAM);
}

/** Debian's mosquitto without logins and without a disk: what a broker in C costs. undefined = it is not installed. */
export async function bareMosquitto(context: Context): Promise<{ port: number; pid: number } | undefined> {
  if (!hasMosquitto()) return undefined;
  const dir = mkdtempSync(join(tmpdir(), 'slipway-bench-'));
  context.atEnd(() => rmSync(dir, { recursive: true, force: true }));
  const port = await freePort();
  const lines = [
    `listener ${port} 127.0.0.1`,
    'allow_anonymous true',
    'persistence false',
    'max_queued_messages 1000000',
    'max_inflight_messages 1000',
    'set_tcp_nodelay true',
    'log_type error',
  ];
  writeFileSync(join(dir, 'mosquitto.conf'), `${lines.join('\n')}\n`);
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', PROGRAM, '-c', join(dir, 'mosquitto.conf')], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  context.atEnd(() => (child.kill('SIGKILL'), ended));
  await until('mosquitto listens', () => reachable(port), 10_000);
  return { port, pid: child.pid ?? 0 };
}

function reachable(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    socket.once('connect', () => (socket.destroy(), resolve(true))).once('error', () => resolve(false));
  });
}
