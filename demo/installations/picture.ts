import type { InstallationResource } from '../service/operator.js';
import { Canvas, colour, seconds } from '../terminal/terminal.js';

/** One device of the picture, as far as it is known. */
export interface DeviceRow {
  readonly name: string;
  /** Behind the gateway that stands above it. */
  readonly isChild: boolean;
  readonly profile: string;
  readonly installation: InstallationResource;
  /** The newest thing that the device said of itself. */
  readonly said: string;
}

const ENDED = new Set(['installed', 'failed', 'rejected', 'canceled', 'timed_out', 'superseded']);
/** Whether nothing more happens to it. */
export const isOver = (installation: InstallationResource) => ENDED.has(installation.state);

/** Short names, so that a line fits into 80 columns beside what the device says. */
const LABELS: Readonly<Record<string, string>> = {
  gatewayWithUnreachableChild: 'gateway',
  unreachableChild: 'away first',
};
/** The short name of a profile; its own where it has none. */
export const labelOf = (profile: string) => LABELS[profile] ?? profile;
/** A child's name with the mark of a branch before it. */
export const indented = ({ name, isChild }: Pick<DeviceRow, 'name' | 'isChild'>) => (isChild ? `└ ${name}` : name);

const COLOURS: Readonly<Record<string, number>> = {
  installed: 32,
  failed: 31,
  rejected: 31,
  timed_out: 33,
  canceled: 33,
  superseded: 33,
  delivered: 36,
  scheduled: 90,
  queued: 90,
};
const WORKING = 34;

/**
 * The picture while it runs: on a terminal a line for each device that is drawn over itself, elsewhere a line whenever
 * a device's state changes. Where the terminal has no room for all, those that have ended are only counted.
 */
export class Picture {
  private readonly canvas: Canvas;
  private readonly known = new Map<string, string>();

  constructor(
    private readonly out: NodeJS.WriteStream,
    private readonly began: number,
  ) {
    this.canvas = new Canvas(out);
  }

  draw(devices: readonly DeviceRow[]): void {
    if (this.out.isTTY) this.canvas.draw((columns, rows) => picture(devices, Date.now() - this.began, columns, rows));
    else this.append(devices);
  }

  private append(devices: readonly DeviceRow[]): void {
    for (const device of devices) {
      const { name, profile, installation } = device;
      const now = `${installation.state}${installation.attempt > 1 ? ` (try ${installation.attempt})` : ''}`;
      if (this.known.get(name) === now) continue;
      this.known.set(name, now);
      this.out.write(
        `${seconds(Date.now() - this.began).padStart(7)}  ${name.padEnd(9)}  ${labelOf(profile).padEnd(11)}  ${now}\n`,
      );
    }
  }
}

/** The lines of the picture, none wider than the terminal, and fewer than it has rows. */
export function picture(devices: readonly DeviceRow[], ms: number, columns: number, rows: number): string[] {
  const over = devices.filter((device) => isOver(device.installation)).length;
  const foot = `${bar(over, devices.length, 30)} ${over} of ${devices.length} have ended, ${seconds(ms)}`.slice(
    0,
    columns,
  );
  const room = rows - 2; // the foot, and the line of the cursor
  if (devices.length <= room) return [...devices.map((device) => line(device, columns)), foot];
  const open = devices.filter((device) => !isOver(device.installation));
  const shown = open.slice(0, Math.max(0, room - 2));
  const more = open.length - shown.length;
  return [
    ...shown.map((device) => line(device, columns)),
    ...(more > 0 ? [`… and ${more} more that are under way`] : []),
    counts(devices).slice(0, columns),
    foot,
  ];
}

function line(device: DeviceRow, columns: number): string {
  const {
    profile,
    installation: { state, attempt },
    said,
  } = device;
  const head = `${indented(device).padEnd(10)} ${labelOf(profile).padEnd(11)} `;
  const rest = ` ${attempt > 1 ? `try ${attempt}` : '     '}  `;
  const room = columns - head.length - 11 - rest.length - 1;
  return `${head}${colour(COLOURS[state] ?? WORKING, state.padEnd(11))}${rest}${colour(90, said.slice(0, Math.max(0, room)))}`;
}

/** How many have ended in which way. */
function counts(devices: readonly DeviceRow[]): string {
  const ended = devices.filter((device) => isOver(device.installation)).map((device) => device.installation.state);
  return ended.length === 0
    ? 'none has ended'
    : [...new Set(ended)].map((state) => `${ended.filter((one) => one === state).length} ${state}`).join(', ');
}

function bar(done: number, all: number, width: number): string {
  const filled = Math.round((done / Math.max(1, all)) * width);
  return `[${'#'.repeat(filled)}${'.'.repeat(width - filled)}]`;
}
