// `npm run pack:client` and `npm run pack:cli`: each package as one tarball in dist/, without dependencies. The last
// line of what it prints is the tarball's path.
import { build } from 'esbuild';
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(fileURLToPath(import.meta.url));
const [name = ''] = process.argv.slice(2);
const staging = join(root, '.cache/pack', name);
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

const MAKERS = { cli: packCli, client: packClient };
const make = Object.hasOwn(MAKERS, name) ? MAKERS[name] : undefined;
if (make === undefined) throw new Error(`"${name}" is not a package: ${Object.keys(MAKERS).join(', ')}`);
rmSync(staging, { recursive: true, force: true });
mkdirSync(staging, { recursive: true });
mkdirSync(join(root, 'dist'), { recursive: true });
await make();
const manifest = { ...JSON.parse(readFileSync(join(root, name, 'package.json'), 'utf8')), version };
writeFileSync(join(staging, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
for (const [from, to] of [
  [join(root, name, 'README.md'), 'README.md'],
  [join(root, 'LICENSE'), 'LICENSE'],
])
  copyFileSync(from, join(staging, to));
const [packed] = JSON.parse(
  execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', join(root, 'dist')], {
    cwd: staging,
    encoding: 'utf8',
  }),
);
process.stdout.write(`${join(root, 'dist', packed.filename)}\n`);

async function packCli() {
  const { metafile } = await build({
    metafile: true,
    entryPoints: [join(root, 'cli/slipway/main.ts')],
    outfile: join(staging, 'slipway.cjs'),
    bundle: true,
    minify: true,
    // In a module, node's own modules would all be loaded before the first line: half of the time to start.
    format: 'cjs',
    platform: 'node',
    target: 'node20',
    define: { SLIPWAY_VERSION: JSON.stringify(version) },
    legalComments: 'none',
  });
  chmodSync(join(staging, 'slipway.cjs'), 0o755);
  writeFileSync(join(staging, 'THIRD-PARTY.txt'), licencesOf(Object.keys(metafile.inputs)));
}

async function packClient() {
  await build({
    entryPoints: [join(root, 'client/index.ts')],
    outfile: join(staging, 'index.js'),
    bundle: true,
    format: 'esm',
    platform: 'neutral',
    target: 'es2022',
  });
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  const options = ['--declaration', '--emitDeclarationOnly', '--skipLibCheck', '--strict', '--types', 'node'];
  const target = ['--target', 'es2023', '--lib', 'es2023', '--module', 'nodenext'];
  execFileSync(
    process.execPath,
    [tsc, ...options, ...target, '--outDir', join(staging, 'types'), join(root, 'client/index.ts')],
    { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] },
  );
}

/** The licences of what went into the bundle: they ask to come along. */
function licencesOf(inputs) {
  const packages = new Set(inputs.flatMap((input) => /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1] ?? []));
  return [...packages]
    .sort()
    .map((one) => {
      const folder = join(root, 'node_modules', one);
      const { version: of, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
      const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
      const text = file === undefined ? '' : `\n${readFileSync(join(folder, file), 'utf8').trim()}\n`;
      return `${one} ${of} (${license})\n${text}`;
    })
    .join(`\n${'-'.repeat(80)}\n\n`);
}
