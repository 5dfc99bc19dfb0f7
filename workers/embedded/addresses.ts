import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { httpUrl, reachable, type Settings } from '../../runtime/settings.js';
import { writePrivateFile } from './private-file.js';

/** Every address in use. Those of outside services are what the operator gave. */
export interface Addresses {
  http: string;
  /** Undefined without TLS. */
  https?: string;
  mqtt: string;
  /** Of the embedded broker; undefined without TLS. */
  mqtts?: string;
  /** host:port */
  temporal: string;
  temporalUi: string | undefined;
  /** With user and password: the file is its owner's alone, and the terminal does not show it. */
  database: string;
}

/** TCP ports that the parts have got; no 0 is left in them. */
export interface Ports {
  http: number;
  https: number;
  mqtt: number;
  mqtts: number;
  temporal: number;
  temporalUi: number;
  postgres: number;
}

/** Own processes listen where the settings say, and are reached on loopback where that is a wildcard. */
export function addressesOf(settings: Settings, ports: Ports, databaseUrl: string): Addresses {
  const { mqtt, brokerListens, temporal, tls } = settings;
  const isSecure = tls.files !== undefined;
  return {
    http: httpUrl(settings.http.host, ports.http),
    ...(isSecure ? { https: `https://${reachable(settings.http.host)}:${ports.https}` } : {}),
    ...(isSecure && mqtt.url === undefined ? { mqtts: `mqtts://${reachable(brokerListens.host)}:${ports.mqtts}` } : {}),
    mqtt: mqtt.url ?? `mqtt://${reachable(brokerListens.host)}:${ports.mqtt}`,
    temporal: temporal.address ?? `127.0.0.1:${ports.temporal}`,
    temporalUi: temporal.address === undefined ? `http://127.0.0.1:${ports.temporalUi}` : temporal.uiUrl,
    database: databaseUrl,
  };
}

const endpointsFile = (dataDir: string) => join(dataDir, 'endpoints.json');

/** For scripts and tests that run side by side (docs/architecture.md §7). */
export function writeEndpoints(dataDir: string, addresses: Addresses): void {
  writePrivateFile(endpointsFile(dataDir), `${JSON.stringify(addresses, undefined, 2)}\n`);
}

/** Addresses without a listener would send a script to another program. */
export function removeEndpoints(dataDir: string): void {
  rmSync(endpointsFile(dataDir), { force: true });
}

/** Lines for people. */
export function startMessage(addresses: Addresses, dataDir: string, adminToken: string): string {
  const rows: [string, string | undefined][] = [
    ['API', addresses.http],
    ['API docs', `${addresses.http}/docs`],
    ['with TLS', addresses.https],
    ['MQTT', addresses.mqtt],
    ['with TLS', addresses.mqtts],
    ['Temporal', addresses.temporal],
    ['Temporal UI', addresses.temporalUi],
    ['PostgreSQL', withoutPassword(addresses.database)],
    ['Data', dataDir],
    ['Admin token', adminToken],
  ];
  const lines = rows.filter(([, value]) => value !== undefined).map(([name, value]) => `  ${name.padEnd(12)} ${value}`);
  return ['Slipway', ...lines, ''].join('\n');
}

function withoutPassword(url: string): string {
  const parsed = new URL(url);
  if (parsed.password !== '') parsed.password = '***';
  return parsed.href;
}
