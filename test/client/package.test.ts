import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startApi, type ApiUnderTest } from '../api/api-under-test.js';

const folder = mkdtempSync(join(tmpdir(), 'slipway-client-'));
let api: ApiUnderTest;
beforeAll(async () => {
  const tarball = execFileSync(process.execPath, ['pack.js', 'client'], { encoding: 'utf8' }).trim();
  writeFileSync(join(folder, 'package.json'), '{"name": "user", "private": true, "type": "module"}');
  execFileSync('npm', ['install', '--offline', '--no-audit', '--no-fund', tarball], { cwd: folder });
  api = await startApi('client_package');
}, 120_000);
afterAll(async () => {
  await api?.close();
  rmSync(folder, { recursive: true, force: true });
});

const run = (program: string, args: readonly string[] = []) =>
  execFileSync(process.execPath, [program, ...args], { cwd: folder, encoding: 'utf8', stdio: 'pipe' });

describe('The package of the typed client, in an empty folder', () => {
  it('brings nothing along', () => {
    const { dependencies } = JSON.parse(
      readFileSync(join(folder, 'node_modules/slipway-client/package.json'), 'utf8'),
    ) as { dependencies?: object };
    expect(dependencies).toBeUndefined();
  });

  it('passes the types of the example in its README, strictly', () => {
    const [, example] = /```ts\n([^]*?)```/.exec(readFileSync('client/README.md', 'utf8'))!;
    expect(example!.trim().split('\n').length).toBeLessThanOrEqual(13);
    writeFileSync(join(folder, 'example.ts'), example!);
    writeFileSync(
      join(folder, 'tsconfig.json'),
      JSON.stringify({
        compilerOptions: {
          strict: true,
          exactOptionalPropertyTypes: true,
          noEmit: true,
          target: 'es2023',
          lib: ['es2023'],
          module: 'nodenext',
          skipLibCheck: true,
          types: ['node'],
        },
        files: ['example.ts'],
      }),
    );
    mkdirSync(join(folder, 'node_modules/@types'), { recursive: true });
    symlinkSync(resolve('node_modules/@types/node'), join(folder, 'node_modules/@types/node'));
    symlinkSync(resolve('node_modules/undici-types'), join(folder, 'node_modules/undici-types'));
    expect(run(resolve('node_modules/typescript/bin/tsc'))).toBe('');
    // Its answers have types: a member that is not there is a fault.
    writeFileSync(join(folder, 'example.ts'), example!.replace('meta.itemsTotal', 'meta.itemsCounted'));
    expect(() => run(resolve('node_modules/typescript/bin/tsc'))).toThrow();
  }, 60_000);

  it('asks a service', () => {
    writeFileSync(
      join(folder, 'ask.js'),
      `import { connect, readMe } from 'slipway-client';
       const client = connect({ url: process.argv[2], token: process.argv[3] });
       console.log((await readMe({ client })).data.tenant);`,
    );
    return expect(asked('ask.js', [api.url, api.token])).resolves.toBe('default\n');
  });
});

/** Not with execFileSync: the service is in this process. */
async function asked(program: string, args: readonly string[]): Promise<string> {
  const { execFile } = await import('node:child_process');
  const { promisify } = await import('node:util');
  return (await promisify(execFile)(process.execPath, [program, ...args], { cwd: folder })).stdout;
}
