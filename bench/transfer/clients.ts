import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { sendFile } from '../../demo/service/operator.js';

/** Sends a file as the body of one request. @throws where it is not answered with success. */
export interface UploadClient {
  readonly name: string;
  send(url: string, file: string, headers?: Readonly<Record<string, string>>): Promise<void>;
}

const run = promisify(execFile);
const DEADLINE_MS = 120_000;

/** The leanest there is, and what the README uses: it takes the least of the cores that it shares with the service. */
const curl: UploadClient = {
  name: 'curl',
  async send(url, file, headers = {}) {
    const all = { ...headers, 'content-type': 'application/octet-stream', expect: '' };
    // As a POST whose body is read while it is sent: --data-binary would read all of it before.
    await run(
      'curl',
      [
        '--disable',
        '--noproxy',
        '*',
        '--silent',
        '--show-error',
        '--fail',
        '--request',
        'POST',
        '--upload-file',
        file,
        ...Object.entries(all).flatMap(([name, value]) => ['--header', `${name}: ${value}`]),
        url,
      ],
      { timeout: DEADLINE_MS },
    );
  },
};

export const undici: UploadClient = {
  name: 'undici',
  async send(url, file, headers = {}) {
    const { statusCode, body } = await sendFile(url, file, headers);
    const answer = await body.text();
    if (statusCode >= 300) throw new Error(`an upload was answered with ${statusCode}: ${answer}`);
  },
};

/** curl, or Node's own where there is none. */
export async function leanestClient(): Promise<UploadClient> {
  try {
    await run('curl', ['--version'], { timeout: DEADLINE_MS });
    return curl;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undici;
    throw error;
  }
}
