import { afterEach, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AllInOne } from '../../demo/service/all-in-one.js';

const folder = mkdtempSync(join(tmpdir(), 'slipway-start-'));
let left: Server | undefined;
afterEach(() => {
  left?.close();
  rmSync(folder, { recursive: true, force: true });
});

it('A start ignores old addresses of a killed service where another program answers', async () => {
  left = createServer((_request, response) => response.end('{"status":"ready"}'));
  await new Promise<void>((resolve) => left!.listen(0, '127.0.0.1', resolve));
  const http = `http://127.0.0.1:${(left.address() as AddressInfo).port}`;
  writeFileSync(join(folder, 'endpoints.json'), JSON.stringify({ http }));
  writeFileSync(join(folder, 'admin-token'), 'secret\n');
  const program = join(folder, 'program.mjs');
  writeFileSync(program, 'process.exit(3);');

  await expect(new AllInOne(program, folder).start(20_000)).rejects.toThrow(/ended with exit code 3/);
});
