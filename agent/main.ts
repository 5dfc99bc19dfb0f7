#!/usr/bin/env node
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { pino, type Logger } from 'pino';
import { readConfig, type AgentConfig } from './config.js';
import { Agent } from './core/agent.js';
import type { AgentEvent } from './core/event-log.js';
import { SmallFiles } from './core/small-files.js';
import { lockState } from './core/state-lock.js';
import { childrenOf, handlersOf, tracesIn } from './handlers/compose.js';
import { boundOutputs } from './handlers/command-output.js';
import { failureOf } from './handlers/exit-codes.js';
import { endQuestions } from './handlers/process-record.js';
import { run } from './handlers/run-command.js';
import { standardError } from './handlers/standard-error.js';
import { Slots } from './handlers/slots.js';

const USAGE = 'slipway-agent --config agent.json';
/** After SIGTERM it is gone within 10 s. */
const END_MS = 8_000;
/** Linux: another one after each boot of the machine. */
const BOOT_ID = '/proc/sys/kernel/random/boot_id';
/** A machine that has not begun to go down by then does not do so. */
const REBOOT_MS = 300_000;
/** How often the output of what commands left running is bounded. */
const BOUND_MS = 10_000;

/** `slipway-agent --config agent.json`: the reference agent on a real machine; JSON lines on standard error. */
async function main(): Promise<void> {
  const { values } = parseArgs({ options: { config: { type: 'string' }, help: { type: 'boolean', short: 'h' } } });
  if (values.help) return void process.stdout.write(`${USAGE}\nWhat stands in agent.json: docs/device-guide.md\n`);
  if (values.config === undefined) throw new Error(`say where the configuration is: ${USAGE}`);
  const settings = await readConfig(values.config);
  const log = pino({ level: settings.logLevel, base: { device: settings.username } }, standardError());
  await lockState(settings.stateDir);
  await endQuestions(tracesIn(settings.stateDir)).catch((error: unknown) =>
    log.warn({ error }, 'what an earlier agent asked could not be looked through'),
  );
  const machineBoot = Array.isArray(settings.reboot) ? (await readFile(BOOT_ID, 'utf8')).trim() : undefined;
  let agent: Agent | undefined;
  let isEnding = false;

  const boot = async () => {
    agent = createAgent(settings, log, reboot, machineBoot);
    await agent.start();
  };
  const end = async (code: number) => {
    isEnding = true;
    // Whatever is under way may be left at any point, as a power cut does.
    if (!(await Promise.race([agent?.stop().then(() => true), pause(END_MS, false)])))
      log.warn('something is still under way; the next start takes it up');
    process.exit(code);
  };
  /** Must not be waited for by the agent that asks for it: it is the one that ends. */
  async function reboot(): Promise<void> {
    if (Array.isArray(settings.reboot)) return rebootMachine(settings.reboot);
    if (settings.reboot === 'exit') return void end(0);
    void agent
      ?.shutOff()
      .then(() => (isEnding ? undefined : boot()))
      .catch((error: unknown) => {
        log.fatal({ error }, 'the agent could not start again');
        return end(1);
      });
  }

  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void end(0));
  const outputs = join(settings.stateDir, 'handlers');
  setInterval(() => {
    boundOutputs(outputs).catch((error: unknown) => log.warn({ error }, 'the output of commands cannot be bounded'));
  }, BOUND_MS).unref();
  await boot();
}

function createAgent(
  settings: AgentConfig,
  log: Logger,
  reboot: () => Promise<void>,
  machineBoot: string | undefined,
): Agent {
  const { url, username, password, stateDir, deviceType, aliases } = settings;
  const tell = ({ phase, detail, slot }: AgentEvent, child?: string) =>
    log[phase === 'trouble' || phase === 'failed' ? 'warn' : 'info'](
      { phase, child, slot: slot ?? undefined },
      detail || phase,
    );
  const trouble = (slot: string, detail: string) => log.warn({ slot }, detail);
  const files = new SmallFiles(stateDir, true);
  return new Agent({
    url,
    username,
    password,
    stateDir,
    slots: Object.keys(settings.slots),
    files,
    installer: new Slots(handlersOf(settings, files, trouble), reboot, trouble, machineBoot),
    children: childrenOf(settings, files, (child, event) => tell(event, child)),
    ...(deviceType !== undefined && { deviceType }),
    ...(aliases !== undefined && { aliases }),
    onEvent: (event) => tell(event),
  });
}

/** @returns when the command has ended: the machine may take a while to go down after that. */
async function rebootMachine(command: readonly string[]): Promise<void> {
  const failure = failureOf(
    command.join(' '),
    await run({ command, env: { SLIPWAY_ACTION: 'reboot' }, timeoutMs: REBOOT_MS }),
  );
  if (failure) throw new Error(failure.message); // it is asked for again
}

try {
  await main();
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exit(2);
}
