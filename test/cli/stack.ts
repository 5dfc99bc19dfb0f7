import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createFleet, type Fleet } from '../../agent/simulator/fleet.js';
import { TestedAllInOne } from '../support/all-in-one.js';
import { installTarball } from './tarball.js';

/** What a command did. `said` is standard output and standard error, as a terminal would have them. */
export interface Ran {
  readonly code: number;
  readonly said: string;
}

/** Some devices of the type `simulated`: three take each firmware, one refuses all, one never comes online. */
const PROFILES = { 'sim-1': 'good', 'sim-2': 'good', 'sim-3': 'good', 'sim-bad': 'rejecting' } as const;

type FleetDevice = Parameters<typeof createFleet>[0]['devices'][number];

/** A whole Slipway with some devices, and a shell in which `slipway` is the installed tarball. */
export class Stack {
  readonly folder = mkdtempSync(join(tmpdir(), 'slipway-cli-'));
  readonly service = new TestedAllInOne();
  private readonly fleets: Fleet[] = [];
  /** Of `npm run pack:cli`. */
  tarball = '';

  async start(): Promise<void> {
    this.tarball = installTarball(join(this.folder, 'npm'));
    mkdirSync(join(this.folder, 'work'));
    cpSync('examples/fleet', join(this.folder, 'work/fleet'), { recursive: true });
    cpSync('examples/ci', join(this.folder, 'work/ci'), { recursive: true });
    await this.service.start();
    const { operator } = this.service;
    writeFileSync(join(this.folder, 'work/key'), this.key);
    const type = { name: 'simulated', model: 'SIM-1', slots: { firmware: { name: 'Firmware' } } };
    const typeId = await operator.deviceType(type);
    const devices: FleetDevice[] = [];
    for (const [name, profile] of Object.entries(PROFILES)) {
      const id = await operator.device({ name, deviceTypeId: typeId });
      const { username, password } = await operator.password(id);
      devices.push({ tenant: 'default', id, profile, username, password });
    }
    await operator.device({ name: 'sim-away', deviceTypeId: typeId });
    await this.connect(devices);
  }

  /** Simulated devices, with the passwords that the service made for them. */
  async connect(devices: readonly FleetDevice[]): Promise<void> {
    const fleet = createFleet({
      devices: [...devices],
      mqttUrl: this.service.endpoints.mqtt,
      dir: join(this.folder, `devices-${this.fleets.length}`),
      seed: 7,
      times: { install: 200, reboot: 200, slowDownload: 1_000, defer: 500, down: 300 },
    });
    this.fleets.push(fleet);
    await fleet.start();
  }

  /** Of the operator who started it. */
  get key(): string {
    return readFileSync(join(this.service.dataDir, 'admin-token'), 'utf8').trim();
  }

  async stop(): Promise<void> {
    await Promise.all(this.fleets.map((fleet) => fleet.stop()));
    await this.service.stop();
    this.service.remove();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /**
   * Runs a command line in bash, in a work folder. Variables that begin with MY_ are there for the next one.
   */
  run(command: string, ms = 120_000): Promise<Ran> {
    const script = `cd work; [ -f ../vars ] && . ../vars; eval "$COMMAND"; code=$?; mine=$(compgen -v MY_); [ -z "$mine" ] || declare -p $mine >../vars; exit $code`;
    const child = spawn('bash', ['-c', script], {
      cwd: this.folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      // A group of its own: at its deadline everything in the pipeline ends, and nothing holds the pipes open.
      detached: true,
      env: {
        PATH: `${join(this.folder, 'npm/bin')}:${process.env['PATH']}`,
        HOME: this.folder,
        XDG_CONFIG_HOME: join(this.folder, 'config'),
        LANG: 'C.UTF-8',
        API: this.service.endpoints.http,
        COMMAND: command,
      },
    });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (said += chunk.toString()));
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => process.kill(-child.pid!, 'SIGKILL'), ms);
      child.once('error', reject);
      child.once('close', (code, signal) => {
        clearTimeout(late);
        if (code === null) reject(new Error(`${command} was ended by ${signal}: ${said}`));
        else resolve({ code, said });
      });
    });
  }
}
