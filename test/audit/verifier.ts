import { execFile } from 'node:child_process';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const SOURCE = new URL('./verify/', import.meta.url).pathname;
/** A first build fetches one module and compiles Go's crypto. */
const BUILD_MS = 180_000;
const ASK_MS = 30_000;

/** What test/audit/verify/main.go reads. Hashes are base64. */
export interface Question {
  verifierKeys: string[];
  checkpoint: string;
  entries?: { line: string; index: number; proof: string[] }[];
  older?: string;
  consistency?: string[];
  export?: string;
}

/** `entry` is the first one that is not what was signed. */
export interface Verdict {
  ok: boolean;
  size: number;
  error?: string;
  entry?: number;
}

/**
 * Builds the verifier, a program in Go with the libraries of its checksum database.
 * @returns a function that sends it a question
 */
export async function buildVerifier(): Promise<(question: Question) => Promise<Verdict>> {
  const program = join(await mkdtemp(join(tmpdir(), 'slipway-audit-')), 'verify');
  await run('go', ['build', '-o', program, '.'], { cwd: SOURCE, timeout: BUILD_MS });
  return async (question) => {
    const asked = run(program, [], { timeout: ASK_MS, maxBuffer: 1 << 24 });
    asked.child.stdin?.end(JSON.stringify(question));
    return JSON.parse((await asked).stdout) as Verdict;
  };
}
