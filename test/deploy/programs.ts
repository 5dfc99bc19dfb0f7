import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { requireProgram, type Part } from '../support/programs.js';

const CACHE = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'slipway');
const HELM = 'v3.22.0';
const COMPOSE_SPEC = 'v2.16.2';
const LIST = createHash('sha256').update(readFileSync('test/deploy/requirements.txt')).digest('hex').slice(0, 16);
const PYTHON = join(CACHE, 'deploy', LIST, 'bin');

/** Programs that check what is deployed: where they are, what brings them, and arguments that come first. */
const PROGRAMS = {
  promtool: { path: 'promtool', part: 'debian', first: [] },
  'systemd-analyze': { path: 'systemd-analyze', part: 'debian', first: [] },
  helm: { path: join(CACHE, 'helm', HELM, 'helm'), part: 'deploy', first: [] },
  hadolint: { path: join(PYTHON, 'hadolint'), part: 'deploy', first: [] },
  'kubernetes-validate': { path: join(PYTHON, 'python'), part: 'deploy', first: ['-m', 'kubernetes_validate'] },
} as const satisfies Record<string, { path: string; part: Part; first: readonly string[] }>;

/** Where the schema of the Compose specification is. @throws where it is missing, with what installs it */
export function composeSchema(): string {
  const path = join(CACHE, 'compose-spec', COMPOSE_SPEC, 'compose-spec.json');
  if (!existsSync(path)) throw new Error(`${path} is missing, and the tests install nothing. Run: .ci/install deploy`);
  return path;
}

/** How a program ended, and what it wrote to standard output and standard error, one after the other. */
export interface Ran {
  readonly status: number | null;
  readonly said: string;
  /** Standard output alone. */
  readonly printed: string;
}

/** Runs one of them in the folder of the repository. @throws where it is missing, with what installs it */
export function run(name: keyof typeof PROGRAMS, args: readonly string[], input?: string): Ran {
  const { path, part, first } = PROGRAMS[name];
  const { status, stdout, stderr } = spawnSync(requireProgram(path, part), [...first, ...args], {
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
    ...(input === undefined ? {} : { input }),
  });
  return { status, said: stdout + stderr, printed: stdout };
}
