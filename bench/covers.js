// Which results of bench/results/ are older than the code that they cover. `.ci/run` prints them; it does not fail for
// them, because they take hours: `npm run test:long` makes them anew. Plain JavaScript: it runs without a build.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** What every installation passes through. */
const CORE = ['domain', 'store', 'workflows', 'activities', 'bridge', 'runtime', 'workers'];

/** Each result with the folders and files whose change makes it doubtful. */
export const COVERS = {
  'bulk.json': ['api/jobs', 'api/routes/jobs.ts', 'store/commands', 'bench/parts/bulk.ts'],
  'crash.txt': [...CORE, 'api', 'adapters', 'agent', 'protocol', 'test/crash'],
  'pairs.txt': [...CORE, 'api', 'adapters', 'agent', 'protocol', 'test/crash'],
  'outages.txt': [...CORE, 'api', 'adapters', 'agent', 'protocol', 'test/crash'],
  'agent.txt': ['agent', 'protocol', 'test/rounds'],
  'outside.txt': [...CORE, 'api', 'adapters', 'protocol', 'test/outside', 'test/e2e'],
  'outside-400.txt': [...CORE, 'api', 'adapters', 'protocol', 'test/outside', 'test/e2e'],
  'fuzz.txt': ['api', 'protocol', 'store', 'test/fuzz'],
  'dashboard.txt': ['web', 'api', 'store/fleet', 'store/jobs', 'test/web'],
  'forecast.json': ['domain/rollout', 'api/simulation', 'store/rollouts', 'bench/parts/forecast.ts'],
  'installations.json': [...CORE, 'bench/parts/installations.ts', 'bench/engine'],
  'latency.json': ['api', 'store', 'bridge', 'bench/parts/latency.ts'],
  'lists.json': ['api', 'store', 'bench/parts/lists.ts', 'bench/lists'],
  'age.json': [
    'store/commands/prune.ts',
    'store/audit',
    'store/history',
    'store/schema.sql',
    'bench/parts/age.ts',
    'bench/age',
  ],
  'live.json': ['api/live', 'store/history', 'bench/parts/live.ts', 'bench/live'],
  'memory.json': ['api', 'bridge', 'workers', 'runtime', 'bench/parts/memory.ts'],
  'reports.json': ['bridge', 'store', 'domain/installation', 'protocol/mqtt', 'bench/parts/reports.ts', 'bench/ingest'],
  'rollout.json': ['domain/rollout', 'store', 'activities', 'workflows', 'bench/parts/rollout.ts', 'bench/rollout'],
  'storm.json': ['adapters/broker', 'bench/parts/storm.ts', 'bench/storm'],
  'mosquitto.json': [...CORE, 'adapters/broker', 'bench/parts/mosquitto.ts'],
  'startup.json': ['workers', 'runtime', 'store/db', 'bench/parts/startup.ts'],
  'transfer.json': ['api', 'adapters/blobs', 'bench/parts/transfer.ts', 'bench/transfer'],
};

const pathOf = (file) => `${ROOT}bench/results/${file}`;

/** @returns `{ date, commit }` of a result: members of a JSON file, the second line `# date, commit abc` of a text. */
export function originOf(file) {
  const text = readFileSync(pathOf(file), 'utf8');
  if (file.endsWith('.json')) {
    const { date, commit } = JSON.parse(text);
    return { date: date.slice(0, 10), commit: commit.replace('+', '') };
  }
  const [, date, commit] = /^# (\S+), commit ([0-9a-z]+)/m.exec(text) ?? [];
  if (commit === undefined) throw new Error(`${file} has no line "# date, commit"`);
  return { date, commit };
}

/**
 * The commits after `commit` that changed one of the folders. Where the commit is not there (a shallow clone), those
 * after its date.
 */
function laterCommits({ date, commit }, folders) {
  const log = (...range) =>
    execFileSync('git', ['log', '--format=%h', ...range, '--', ...folders], {
      cwd: ROOT,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
      .split('\n')
      .filter(Boolean);
  try {
    return log(`${commit}..HEAD`);
  } catch {
    // The commit is unknown here: its date says nearly the same.
    return log(`--since=${date}T23:59:59Z`);
  }
}

/** @returns one sentence for each result that is missing or older than its code. */
export function olderThanTheirCode() {
  return Object.entries(COVERS).flatMap(([file, folders]) => {
    if (!existsSync(pathOf(file))) return [`${file} was never made`];
    const origin = originOf(file);
    const { length } = laterCommits(origin, folders);
    const commits = length === 1 ? '1 later commit' : `${length} later commits`;
    return length === 0 ? [] : [`${file} (${origin.date}, ${origin.commit}): ${commits} changed ${folders.join(', ')}`];
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const older = olderThanTheirCode();
  for (const sentence of older) console.log(sentence);
  if (older.length === 0) console.log('No result is older than the code that it covers.');
  else console.log('`npm run test:long` makes them anew.');
}
