// `npm run test:fuzz`: 3,000 requests made up by schemathesis from the OpenAPI document, and some hundred from that of the
// routes that devices call, against the real all in one on
// a folder and ports of its own. It fails on any 5xx and on any answer that the document does not describe. Plain
// JavaScript over dist/, like the set-up of the tests.
import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { createWriteStream, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AllInOne } from '../../dist/demo/service/all-in-one.js';
import { resources } from './resources.js';
import { schemathesis } from './python.js';

const REQUESTS = 3_000;
/**
 * For each of about 40 operations, beside the values at every schema's edges, which schemathesis tries in any case. 8
 * made 3,400 requests, in 60 s where nothing else ran.
 */
const EXAMPLES = 8;
/** Ten times what it takes on two idle cores: something hangs. */
const LIMIT_MS = 600_000;
/**
 * `positive_data_acceptance` is left out: rules between members (page excludes cursor), PEM and what lies in the past
 * are no part of JSON Schema.
 */
const CHECKS = [
  'not_a_server_error',
  'status_code_conformance',
  'content_type_conformance',
  'response_headers_conformance',
  'response_schema_conformance',
  'negative_data_rejection',
  'unsupported_method',
  'allow_header_conformance',
  'use_after_free',
  'ensure_resource_availability',
  'ignored_auth',
];

const given = process.env.FUZZ_SEED;
const seed = given ? Number(given) : randomInt(1_000_000);
if (!Number.isSafeInteger(seed)) throw new Error('FUZZ_SEED must be a whole number');
const folder = mkdtempSync(join(tmpdir(), 'slipway-fuzz-'));
const logFile = join(folder, 'schemathesis.log');
const service = new AllInOne(
  fileURLToPath(new URL('../../dist/workers/up.js', import.meta.url)),
  join(folder, 'data'),
  { SLIPWAY_LOG_LEVEL: 'warn' },
);
console.log(`Fuzz with seed ${seed}; again: FUZZ_SEED=${seed} npm run test:fuzz`);

let failed = true;
let fuzzer;
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    fuzzer?.kill('SIGKILL');
    void service.stop().finally(() => process.exit(1));
  });
}
try {
  const program = schemathesis();
  await service.start();
  const { http } = service.endpoints;
  const token = readFileSync(join(folder, 'data', 'admin-token'), 'utf8').trim();
  const known = await resources(service.endpoints, token);
  const before = await answered(http);
  const began = Date.now();
  const code =
    (await run(program, `${http}/openapi.json`, token, known)) +
    (await run(program, `${http}/openapi-devices.json`, known.deviceToken, known));
  const count = (await answered(http)) - before;
  const output = readFileSync(logFile, 'utf8');
  if (code !== 0) console.log(findings(output));
  if (count < REQUESTS) console.log(`only ${count} requests were sent, ${REQUESTS} are asked for: raise EXAMPLES`);
  failed = code !== 0 || count < REQUESTS;
  console.log(
    `${count} requests in ${Math.round((Date.now() - began) / 1000)} s: ${failed ? 'see above' : 'no 5xx, and no answer that the OpenAPI document does not describe'}.`,
  );
} finally {
  await service.stop();
  if (failed)
    console.log(`The service said:\n${service.output.slice(-4_000)}\nAll of schemathesis' output is in ${logFile}`);
  else rmSync(folder, { recursive: true, force: true });
}
process.exitCode = failed ? 1 : 0;

/** @returns 0 where nothing was found */
function run({ python }, document, token, known) {
  const child = spawn(
    python,
    [
      '-m',
      'schemathesis.cli',
      '--config-file',
      fileURLToPath(new URL('schemathesis.toml', import.meta.url)),
      '--no-color',
      'run',
      document,
      '-H',
      `Authorization: Bearer ${token}`,
      '--seed',
      String(seed),
      '--workers',
      '1',
      '--max-examples',
      String(EXAMPLES),
      '--checks',
      CHECKS.join(','),
      '--generation-database',
      'none',
      '--no-shrink',
      '--continue-on-failure',
      '--warnings',
      'off',
      // Above what a long poll may take.
      '--request-timeout',
      '60',
    ],
    {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        PYTHONPATH: fileURLToPath(new URL('.', import.meta.url)),
        PYTHONDONTWRITEBYTECODE: '1',
        SCHEMATHESIS_HOOKS: 'hooks',
        FUZZ_KNOWN: JSON.stringify(known),
      },
    },
  );
  fuzzer = child;
  const log = createWriteStream(logFile, { flags: 'a' });
  child.stdout.pipe(log, { end: false });
  child.stderr.pipe(log, { end: false });
  const timer = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      if (signal !== null) console.log('schemathesis was ended before its end');
      log.end(() => resolve(code ?? 1));
    });
  });
}

/** Requests that the service counted itself. */
async function answered(http) {
  const text = await (await fetch(`${http}/metrics`)).text();
  return [...text.matchAll(/^slipway_http_request_duration_seconds_count\{.*\} (\d+)$/gm)].reduce(
    (sum, [, count]) => sum + Number(count),
    0,
  );
}

/**
 * What failed, with the command that sends it again; none of schemathesis' own counts, which look like those of the
 * tests.
 */
function findings(output) {
  const from = output.search(/^=+ (FAILURES|ERRORS) =+$/m);
  const to = output.search(/^=+ SUMMARY =+$/m);
  const lines = output.slice(from < 0 ? -6_000 : from, from < 0 || to < 0 ? undefined : to).split('\n');
  return lines
    .filter((line) => !/\d+ passed/.test(line))
    .map((line) => line.slice(0, 600))
    .join('\n')
    .slice(0, 20_000);
}
