import type { Settings } from '../../runtime/settings.js';
import type { Addresses, Ports } from './addresses.js';

/** The service's own name at the embedded broker. */
export const SERVICE_USERNAME = 'slipway-service';

/**
 * What every child is told: the names of docs/architecture.md §7 and nothing else, so that no process can know that
 * something is embedded. Settings that belong to an outside service are taken away where the service is not outside.
 */
export function childEnvironment(
  settings: Settings,
  ports: Ports,
  addresses: Addresses,
  mqttPassword: string,
): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = { ...process.env };
  // Only the API checks it; the fewer processes hold a secret, the better.
  delete env['SLIPWAY_ADMIN_TOKEN'];
  // One port is not for three processes; the API tells of all of them.
  delete env['SLIPWAY_PROBE_PORT'];
  if (settings.temporal.address === undefined) removeAll(env, 'TEMPORAL_');
  if (settings.mqtt.url === undefined) removeAll(env, 'MQTT_');
  return {
    ...env,
    SLIPWAY_DATA_DIR: settings.dataDir,
    SLIPWAY_HTTP_PORT: String(ports.http),
    SLIPWAY_MQTT_PORT: String(ports.mqtt),
    SLIPWAY_TEMPORAL_PORT: String(ports.temporal),
    SLIPWAY_TEMPORAL_UI_PORT: String(ports.temporalUi),
    SLIPWAY_POSTGRES_PORT: String(ports.postgres),
    ...(addresses.temporalUi === undefined ? {} : { SLIPWAY_TEMPORAL_UI_URL: addresses.temporalUi }),
    SLIPWAY_MODE: 'all-in-one',
    DATABASE_URL: addresses.database,
    TEMPORAL_ADDRESS: addresses.temporal,
    TEMPORAL_NAMESPACE: settings.temporal.namespace,
    MQTT_URL: addresses.mqtt,
    ...(settings.mqtt.url === undefined ? { MQTT_USERNAME: SERVICE_USERNAME, MQTT_PASSWORD: mqttPassword } : {}),
  };
}

function removeAll(env: NodeJS.ProcessEnv, prefix: string): void {
  for (const name of Object.keys(env).filter((key) => key.startsWith(prefix))) delete env[name];
}
