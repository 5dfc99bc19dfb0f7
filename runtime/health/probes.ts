import type { Log } from '../log.js';
import { isShuttingDown, onShutdown } from '../shutdown.js';
import { Health, type Part } from './parts.js';
import type { Figures } from './port.js';

/** Where the probes of a process are answered; no port = nowhere. */
export interface ProbeSettings {
  readonly host: string;
  readonly port: number | undefined;
}

/**
 * Opens the probe port of this process, where its settings name one, and closes it when the process ends. Called before
 * the process waits for anything: a probe tells what is waited for. Ends the process where the port is taken.
 */
export async function serveProbes(
  { host, port }: ProbeSettings,
  parts: readonly Part[],
  log: Log,
  figures?: Figures,
): Promise<void> {
  if (port === undefined) return;
  // Loaded where it is used: the children of the all in one have no such port.
  const { openProbePort } = await import('./port.js');
  const opened = await openProbePort({ host, port }, new Health(parts, isShuttingDown), figures).catch(
    (error: unknown) => {
      log.fatal({ err: error }, `cannot listen on ${host}:${port}; is it taken? Set SLIPWAY_PROBE_PORT`);
      process.exit(1);
    },
  );
  onShutdown(() => opened.close());
  log.info({ host, port: opened.port }, 'answers probes');
}
