import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { open, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf } from '../../agent/core/write-file.js';

/**
 * A real file system of a few MB, which a test can fill to the last byte. It is mounted in a mount namespace of its own,
 * together with a user namespace, so that no right is needed; a process holds it, and dies with the test.
 */
export class SmallDisk {
  private constructor(
    private readonly holder: ChildProcess,
    private readonly at: string,
  ) {}

  /** @param at a folder that is there: what is in it is hidden. @throws where the system has no user namespaces */
  static async create(at: string, bytes: number): Promise<SmallDisk> {
    const mount = `mount -t tmpfs -o size=${bytes},mode=0755 tmpfs "$1" && echo mounted && exec cat`;
    const holder = spawn('unshare', ['--user', '--map-root-user', '--mount', 'sh', '-c', mount, 'sh', at], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const [said] = (await Promise.race([once(holder.stdout, 'data'), once(holder, 'exit')])) as [unknown];
    if (String(said) !== 'mounted\n')
      throw new Error('this test mounts a file system in a user namespace, which this system does not allow');
    return new SmallDisk(holder, at);
  }

  /** A program and its arguments that run another one where this disk is seen. */
  get under(): string[] {
    return [
      'nsenter',
      '--target',
      String(this.holder.pid),
      '--user',
      '--mount',
      '--preserve-credentials',
      `--wd=${process.cwd()}`,
      '--',
    ];
  }

  /** As the test sees it. */
  path(name = ''): string {
    return join(`/proc/${this.holder.pid}/root`, this.at, name);
  }

  async free(): Promise<number> {
    const { bavail, bsize } = await statfs(this.path());
    return bavail * bsize;
  }

  /** Another program takes all the room there is, but for so many bytes. */
  async fill(butBytes = 0, name = 'other-program'): Promise<void> {
    const file = await open(this.path(name), 'a');
    try {
      const piece = Buffer.alloc(64 * 1024, 1);
      for (let free = await this.free(); free > butBytes; free = await this.free())
        if ((await file.write(piece, 0, Math.min(piece.length, free - butBytes))).bytesWritten === 0) return;
    } catch (error) {
      if (codeOf(error) !== 'ENOSPC') throw error;
    } finally {
      await file.close();
    }
  }

  async clear(name = 'other-program'): Promise<void> {
    await rm(this.path(name), { force: true });
  }

  async end(): Promise<void> {
    const exited = once(this.holder, 'exit');
    this.holder.stdin?.end();
    await exited;
  }
}
