import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** More than the socket between SWUpdate's processes holds. */
const REST_BYTES = 8_000_000;

/** Makes signed images, as Debian's SWUpdate takes them, in a folder of the test. */
export class ImageMaker {
  readonly certificate: string;
  private readonly key: string;

  private constructor(private readonly folder: string) {
    this.certificate = join(folder, 'cert.pem');
    this.key = join(folder, 'key.pem');
  }

  static async start(folder: string): Promise<ImageMaker> {
    const maker = new ImageMaker(folder);
    await run('openssl', [
      ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=images', '-days', '2'],
      ...['-keyout', maker.key, '-out', maker.certificate],
    ]);
    return maker;
  }

  /**
   * An image that writes `bytes` to `path`.
   * @param sha256 what its description says of them; absent = the truth. Where it is none, a large file follows:
   * SWUpdate 2022.12 may hang where an image fails behind its last byte, and reports what fails before it
   * @returns the image's file
   */
  async make(name: string, path: string, bytes: Buffer, sha256?: string): Promise<string> {
    const payloads = { payload: bytes, ...(sha256 !== undefined && { rest: randomBytes(REST_BYTES) }) };
    const files = Object.entries(payloads).map(([file, content]) => {
      const said = file === 'payload' && sha256 !== undefined ? sha256 : sha256Of(content);
      const target = file === 'payload' ? path : `${path}.${file}`;
      const properties = 'properties: { create-destination = "true"; }; installed-directly = true';
      return `{ filename = "${file}"; path = "${target}"; ${properties}; sha256 = "${said}"; }`;
    });
    return this.pack(name, `files: ( ${files.join(', ')} );`, payloads);
  }

  /** @returns a file of zchunk with these bytes, as SWUpdate wants it: SHA-256, of uncompressed chunks as well */
  async zchunk(name: string, bytes: Buffer): Promise<string> {
    const [plain, chunked] = ['bin', 'zck'].map((ending) => join(this.folder, `${name}.${ending}`));
    writeFileSync(plain!, bytes);
    await run('zck', ['--output', chunked!, '-u', '--chunk-hash-type', 'sha256', plain!]);
    return chunked!;
  }

  /**
   * An image that makes the content of a zchunk file at `path`, out of the file `source` and of the chunks at `url`
   * that this has not.
   */
  async makeDelta(name: string, path: string, { source, zchunk, url }: Delta): Promise<string> {
    const { stdout } = await run('zck_read_header', ['-v', zchunk]);
    const header = readFileSync(zchunk).subarray(0, Number(/Header size: (\d+)/.exec(stdout)![1]));
    const properties = `properties: { url = "${url}"; source = "${source}"; chain = "rawfile"; }`;
    const file = `filename = "header"; type = "delta"; path = "${path}"; ${properties}`;
    return this.pack(name, `files: ( { ${file}; sha256 = "${sha256Of(header)}"; } );`, { header });
  }

  private async pack(name: string, described: string, payloads: Readonly<Record<string, Buffer>>): Promise<string> {
    const cwd = join(this.folder, name);
    mkdirSync(cwd);
    for (const [file, content] of Object.entries(payloads)) writeFileSync(join(cwd, file), content);
    writeFileSync(
      join(cwd, 'sw-description'),
      `software = { version = "1"; hardware-compatibility: [ "1.0" ]; ${described} }`,
    );
    const sign = ['-signer', this.certificate, '-inkey', this.key, '-outform', 'DER', '-nosmimecap', '-binary'];
    await run('openssl', ['cms', '-sign', '-in', 'sw-description', '-out', 'sw-description.sig', ...sign], { cwd });
    const names = ['sw-description', 'sw-description.sig', ...Object.keys(payloads)].join(' ');
    await run('bash', ['-euc', `printf '%s\n' ${names} | cpio --quiet -o -H crc > image.swu`], { cwd });
    return join(cwd, 'image.swu');
  }
}

/** Of an update by difference. */
interface Delta {
  /** What the device has. */
  readonly source: string;
  readonly zchunk: string;
  /** Where the bytes of the zchunk file are served, in ranges. */
  readonly url: string;
}

function sha256Of(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** One device with Debian's SWUpdate. What it would write into its bootloader's environment dies with the process. */
export class SwupdateDevice {
  private child: ChildProcess | undefined;
  private printed = '';
  private awaited: { readonly text: string; readonly then: () => void } | undefined;

  constructor(
    private readonly folder: string,
    private readonly certificate: string,
    private readonly at: { readonly url: string; readonly controllerId: string; readonly token: string },
  ) {
    mkdirSync(folder);
  }

  /** What all its processes have printed. */
  get output(): string {
    return this.printed;
  }

  /** Where its images write to. */
  static target(folder: string): string {
    return join(folder, 'system');
  }

  /** Whether its images wrote these bytes. To compare large ones with `toEqual` takes minutes. */
  holds(bytes: Buffer): boolean {
    return readFileSync(SwupdateDevice.target(this.folder)).equals(bytes);
  }

  /** Does something once, in the moment in which it prints this. */
  onPrinted(text: string, then: () => void): void {
    this.awaited = { text, then };
  }

  /** @param more options of its client, such as `-c 2`: the start after a reboot that went well */
  boot(...more: string[]): void {
    const { url, controllerId, token } = this.at;
    // Restarts of the service are met as soon as a test can see them: `-w` is the wait before a download goes on.
    const client = [
      '-t',
      'DEFAULT',
      '-u',
      url,
      '-i',
      controllerId,
      '-k',
      token,
      '-p',
      '1',
      '-r',
      '30',
      '-w',
      '1',
      ...more,
    ];
    const options = ['-v', '-M', '-H', 'board:1.0', '-k', this.certificate, '-u', client.join(' ')];
    // Its sockets stand in TMPDIR.
    const child = spawn('setpriv', ['--pdeathsig', 'TERM', 'swupdate', ...options], {
      env: { ...process.env, TMPDIR: this.folder },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child = child;
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => {
        this.printed += chunk.toString();
        if (this.awaited === undefined || !this.printed.includes(this.awaited.text)) return;
        this.awaited.then();
        this.awaited = undefined;
      });
  }

  /** Power off; its children end with it. */
  async stop(): Promise<void> {
    const { child } = this;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill('SIGTERM');
    await ended;
  }
}
