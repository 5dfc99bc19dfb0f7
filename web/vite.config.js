import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
/** Smaller files gain nothing that a packet would notice. */
const WORTH_COMPRESSING = 512;

const brotli = promisify(brotliCompress);
const deflate = promisify(gzip);

/** Compressed once, here: the service only sends. It takes what is on the disk, which no plugin changes any more. */
function precompress() {
  return {
    name: 'precompress',
    apply: 'build',
    writeBundle: {
      order: 'post',
      sequential: true,
      async handler({ dir }, bundle) {
        await Promise.all(Object.keys(bundle).map((name) => compress(join(dir, name))));
      },
    },
  };
}

async function compress(path) {
  const source = readFileSync(path);
  if (!/\.(js|css|html|svg)$/.test(path) || source.length < WORTH_COMPRESSING) return;
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: source.length };
  writeFileSync(`${path}.br`, await brotli(source, { params }));
  writeFileSync(`${path}.gz`, await deflate(source, { level: 9 }));
}

export default defineConfig({
  root: here('.'),
  plugins: [react(), precompress()],
  // Browsers of the last two years: what they know needs no translation.
  build: {
    target: ['chrome123', 'firefox125', 'safari17.5'],
    outDir: here('../dist/web'),
    emptyOutDir: true,
    // A data: address would need a hole in the content security policy.
    assetsInlineLimit: 0,
    manifest: 'manifest.json',
    reportCompressedSize: false,
    rolldownOptions: { checks: { pluginTimings: false } },
  },
  worker: { format: 'es' },
  server: {
    proxy: Object.fromEntries(
      ['/v1', '/health', '/docs', '/openapi.json'].map((path) => [path, 'http://127.0.0.1:8080']),
    ),
  },
});
