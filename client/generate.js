// `npm run client`: makes client/generated/ of the OpenAPI document of the code (test/repo/print-openapi.ts). What it
// makes stands in git, so that types are there before anything is built, and a change of the API is seen in a review.
// With an argument it writes into that folder instead: a test compares.
import { createClient } from '@hey-api/openapi-ts';
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const out = process.argv[2] ?? join(root, 'client/generated');
const printed = execFileSync(process.execPath, [join(root, 'dist/test/repo/print-openapi.js')], {
  maxBuffer: 1 << 26,
  encoding: 'utf8',
});
await createClient({
  input: JSON.parse(printed),
  output: { path: out, module: { extension: '.js' } },
  plugins: [
    { name: '@hey-api/typescript', enums: false },
    { name: '@hey-api/sdk', responseStyle: 'data' },
    { name: '@hey-api/client-fetch', throwOnError: true },
  ],
  logs: { level: 'silent' },
});
// The generator brings the code that sends requests along; it is written for looser settings than this project's.
for (const folder of ['client', 'core'])
  for (const name of readdirSync(join(out, folder))) {
    const path = join(out, folder, name);
    writeFileSync(path, `// @ts-nocheck\n${readFileSync(path, 'utf8')}`);
  }
