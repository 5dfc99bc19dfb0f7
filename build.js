// Compiles the TypeScript folders into dist/ (swc, source maps) and bundles the workflows once, so that
// `npm start` is one plain node process and starts without a compiler. Types are checked apart (`npm run types`).
// Unchanged files are left alone: a second build takes about 0.1 s.
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  copyFileSync,
} from 'node:fs';
import { createHash } from 'node:crypto';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(fileURLToPath(import.meta.url));
const out = join(root, 'dist');
const FOLDERS = [
  'domain',
  'protocol',
  'store',
  'workflows',
  'activities',
  'bridge',
  'api',
  'adapters',
  'runtime',
  'workers',
  'agent',
  'demo',
  'cli',
  'client',
  'bench',
  'test/crash',
  'test/outside',
  'test/rounds',
  'test/upgrade',
  'test/support',
  'test/e2e',
  'test/api',
  'test/repo',
  'test/web',
];
/** Not compiled from one source each. */
const MADE_HERE = new Set(['workflow-bundle.js', 'package.json']);
/** `.js` in domain/ is what a generator made of a grammar (`npm run grammar`). */
const COPIED = /\.(sql|json|html|css|svg)$|^domain\/.*\.js$/;

const sources = FOLDERS.filter((folder) => existsSync(join(root, folder))).flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.endsWith('.test.ts'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name))),
);
const target = (source) => join(out, source.replace(/\.ts$/, '.js'));
const isStale = (source) => {
  const made = statSync(target(source), { throwIfNoEntry: false });
  return !made || made.mtimeMs < statSync(join(root, source)).mtimeMs;
};

/** Written beside and renamed: a process that starts meanwhile never reads half a file. */
function write(path, text) {
  mkdirSync(dirname(path), { recursive: true });
  const beside = `${path}.${process.pid}`;
  // what package.json names as a command can be run
  writeFileSync(beside, text, { mode: text.startsWith('#!') ? 0o755 : 0o644 });
  renameSync(beside, path);
}

// What was deleted from the sources must not live on in dist.
if (existsSync(out)) {
  const expected = new Set(sources.map((source) => target(source)));
  for (const entry of readdirSync(out, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (
      entry.isFile() &&
      !path.startsWith(join(out, 'web')) &&
      (entry.name.endsWith('.js') || COPIED.test(entry.name)) &&
      !MADE_HERE.has(entry.name) &&
      !expected.has(path)
    ) {
      rmSync(path);
      rmSync(`${path}.map`, { force: true });
    }
  }
}

const compiled = sources.filter((source) => source.endsWith('.ts') && !source.endsWith('.d.ts') && isStale(source));
if (compiled.length > 0) {
  const { transform } = await import('@swc/core');
  for (const source of compiled) {
    const { code, map } = await transform(readFileSync(join(root, source), 'utf8'), {
      filename: join(root, source),
      sourceMaps: true,
      swcrc: false,
      jsc: { parser: { syntax: 'typescript' }, target: 'es2022', keepClassNames: true },
      module: { type: 'es6' },
    });
    write(`${target(source)}.map`, map);
    write(target(source), `${code}\n//# sourceMappingURL=${source.split('/').pop().replace(/\.ts$/, '.js')}.map\n`);
  }
}
for (const source of sources.filter((name) => COPIED.test(name) && isStale(name))) {
  mkdirSync(dirname(target(source)), { recursive: true });
  copyFileSync(join(root, source), target(source));
}
if (!existsSync(join(out, 'package.json'))) write(join(out, 'package.json'), '{ "type": "module" }\n');

/** Of the names and contents of files. */
function fingerprint(paths) {
  const hash = createHash('sha256');
  for (const path of [...paths].sort()) hash.update(`${path}\n`).update(readFileSync(join(root, path)));
  return hash.digest('hex');
}
/** Whether what `stamp` was made of is what there is now. */
const isMadeOf = (stamp, digest) => existsSync(stamp) && readFileSync(stamp, 'utf8') === digest;

// The workflow bundle is made anew only where something that goes into it changed: webpack takes two seconds.
const bundled = sources.filter((source) => /^(workflows|domain)\//.test(source));
const digest = fingerprint([...bundled, 'package-lock.json']);
const stamp = join(out, 'workflow-bundle.sha256');
if (existsSync(join(root, 'workflows/index.ts')) && !isMadeOf(stamp, digest)) {
  const { bundleWorkflowCode, DefaultLogger } = await import('@temporalio/worker');
  const { code } = await bundleWorkflowCode({
    workflowsPath: join(out, 'workflows/index.js'),
    logger: new DefaultLogger('WARN'),
  });
  write(join(out, 'workflow-bundle.js'), code);
  write(stamp, digest);
}

// The dashboard, likewise: it takes two to five seconds, and goes into a folder of its own that is put in place whole.
const pages = readdirSync(join(root, 'web'), { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && !entry.parentPath.includes('node_modules'))
  .map((entry) => relative(root, join(entry.parentPath, entry.name)));
const parts = sources.filter((source) => /^(protocol|domain)\//.test(source));
const webDigest = fingerprint([...pages, ...parts, 'package-lock.json']);
const webStamp = join(out, 'web.sha256');
if (!isMadeOf(webStamp, webDigest)) {
  const vite = await import('vite').catch((error) => {
    if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error;
    console.error('The dashboard is not built, because vite is not installed: npm ci without --omit=dev installs it.');
  });
  if (vite) {
    const beside = join(out, `web.${process.pid}`);
    const build = { outDir: beside, emptyOutDir: true };
    await vite.build({ configFile: join(root, 'web/vite.config.js'), logLevel: 'warn', build });
    rmSync(join(out, 'web'), { recursive: true, force: true });
    renameSync(beside, join(out, 'web'));
    write(webStamp, webDigest);
  }
}
