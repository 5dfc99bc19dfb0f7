import { spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { freePort } from '../../workers/embedded/ports.js';
import { requireProgram } from './programs.js';
import { until } from './until.js';

/** As in .ci/install. */
const VERSION = 'v1.8.0';
/** Outside of the tree: a clean checkout need not build it again. */
const CACHE = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'slipway', 'versitygw', VERSION);

/**
 * A real S3 server (versitygw) on a free port of loopback, on a folder of its own. Owned by the test, which closes it.
 * `.ci/install versitygw` builds it; where it is missing the test fails and says so.
 */
export class TestedS3 {
  readonly bucket = 'slipway-test';
  private child: ChildProcess | undefined;
  private printed = '';

  private constructor(
    readonly dir: string,
    readonly port: number,
    private readonly access: string,
    private readonly secret: string,
  ) {}

  static async start(): Promise<TestedS3> {
    const program = requireProgram(join(CACHE, 'versitygw'), 'versitygw');
    const server = new TestedS3(
      mkdtempSync(join(tmpdir(), 'slipway-s3-')),
      await freePort(),
      randomUUID(),
      randomUUID(),
    );
    await server.start(program);
    return server;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** The settings with which a process of Slipway keeps its blobs here: its own names and the AWS SDK's. */
  get settings(): Record<string, string> {
    return {
      SLIPWAY_BLOB_STORE: 's3',
      SLIPWAY_S3_BUCKET: this.bucket,
      SLIPWAY_S3_ENDPOINT: this.endpoint,
      AWS_ACCESS_KEY_ID: this.access,
      AWS_SECRET_ACCESS_KEY: this.secret,
      AWS_REGION: 'us-east-1',
    };
  }

  /** To look at the bucket, and to spoil it. Its maker destroys it. */
  client(): S3Client {
    return new S3Client({
      endpoint: this.endpoint,
      forcePathStyle: true,
      region: 'us-east-1',
      credentials: { accessKeyId: this.access, secretAccessKey: this.secret },
    });
  }

  async close(): Promise<void> {
    const { child } = this;
    if (child && child.exitCode === null && child.signalCode === null) {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await ended;
    }
    rmSync(this.dir, { recursive: true, force: true });
  }

  private async start(program: string): Promise<void> {
    // The sidecar holds what a file system without extended attributes cannot. No name may begin with the other's.
    const [data, sidecar] = [join(this.dir, 'objects'), join(this.dir, 'metadata')];
    for (const folder of [data, sidecar]) mkdirSync(folder);
    const child = spawn(program, ['--port', `127.0.0.1:${this.port}`, '--quiet', 'posix', '--sidecar', sidecar, data], {
      env: { PATH: process.env['PATH'], HOME: this.dir, ROOT_ACCESS_KEY: this.access, ROOT_SECRET_KEY: this.secret },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child = child;
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (this.printed = (this.printed + chunk.toString()).slice(-10_000)));
    const client = this.client();
    try {
      await until(
        'versitygw takes a bucket',
        async () => child.exitCode !== null || (await client.send(new CreateBucketCommand({ Bucket: this.bucket }))),
        20_000,
      );
      if (child.exitCode !== null) throw new Error(`versitygw ended with exit code ${child.exitCode}`);
    } catch (error) {
      await this.close();
      throw new Error(`${(error as Error).message}\n${this.printed}`, { cause: error });
    } finally {
      client.destroy();
    }
  }
}
