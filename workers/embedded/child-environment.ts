import type { Settings } from '../../runtime/settings.js';
import type { Login } from '../../store/db/process-logins.js';
import type { Addresses, Ports } from './addresses.js';

/** The service's own name at the embedded broker. */
export const SERVICE_USERNAME = 'slipway-service';

/** The children of the all in one that are Slipway's own. */
export type ChildName = 'api' | 'orchestrator' | 'bridge' | 'broker';

/** What the environment of a child is made of. */
export interface ChildSurroundings {
  readonly settings: Settings;
  readonly ports: Ports;
  readonly addresses: Addresses;
  readonly mqttPassword: string;
  /** Of the embedded PostgreSQL, the address with the login of each; absent where PostgreSQL is outside. */
  readonly logins?: Readonly<Record<Login, string>> | undefined;
}

/**
 * What a child is told: the names of docs/architecture.md §7 and nothing else, so that no process can know that
 * something is embedded. Settings that belong to an outside service are taken away where the service is not outside,
 * and secrets where the child has no use for them: the fewer processes hold one, the better.
 */
export function childEnvironment(child: ChildName, around: ChildSurroundings): NodeJS.ProcessEnv {
  const { settings, ports, addresses, mqttPassword } = around;
  const env: NodeJS.ProcessEnv = { ...process.env };
  // One port is not for three processes; the API tells of all of them.
  removeAll(env, 'SLIPWAY_PROBE_PORT');
  // The first is of slipway-admin alone; the second is given to the API by hand.
  removeAll(env, 'SLIPWAY_BACKUP_', 'SLIPWAY_ADMIN_TOKEN', 'SLIPWAY_TLS_CERT_PATH', 'SLIPWAY_TLS_KEY_PATH');
  if (child !== 'api') removeAll(env, 'AWS_');
  if (settings.temporal.address === undefined || child === 'broker') removeAll(env, 'TEMPORAL_');
  if (settings.mqtt.url === undefined || child === 'api' || child === 'orchestrator')
    removeAll(env, 'MQTT_', 'SLIPWAY_MQTT_ADMIN');
  const usesBroker = child === 'bridge' || child === 'broker';
  // Its content is given below.
  removeAll(env, 'MQTT_URL_FILE');
  return {
    ...withDatabase(child, env, around),
    SLIPWAY_DATA_DIR: settings.dataDir,
    SLIPWAY_HTTP_PORT: String(ports.http),
    SLIPWAY_HTTPS_PORT: String(ports.https),
    SLIPWAY_MQTT_PORT: String(ports.mqtt),
    SLIPWAY_MQTT_TLS_PORT: String(ports.mqtts),
    ...withTls(child, settings),
    // Devices that enrol are told where the embedded broker is.
    ...(child === 'api' && settings.mqttPublicUrl === undefined
      ? { SLIPWAY_MQTT_PUBLIC_URL: addresses.mqtts ?? addresses.mqtt }
      : {}),
    SLIPWAY_TEMPORAL_PORT: String(ports.temporal),
    SLIPWAY_TEMPORAL_UI_PORT: String(ports.temporalUi),
    SLIPWAY_POSTGRES_PORT: String(ports.postgres),
    ...(addresses.temporalUi === undefined ? {} : { SLIPWAY_TEMPORAL_UI_URL: addresses.temporalUi }),
    SLIPWAY_MODE: 'all-in-one',
    ...(child === 'broker'
      ? {}
      : { TEMPORAL_ADDRESS: addresses.temporal, TEMPORAL_NAMESPACE: settings.temporal.namespace }),
    ...(usesBroker ? { MQTT_URL: addresses.mqtt } : {}),
    ...(usesBroker && settings.mqtt.url === undefined
      ? { MQTT_USERNAME: SERVICE_USERNAME, MQTT_PASSWORD: mqttPassword }
      : {}),
  };
}

/** Only those who listen need them; they may be made by `--tls`, and then stand in no setting. */
function withTls(child: ChildName, { tls: { files } }: Settings): NodeJS.ProcessEnv {
  if (files === undefined || (child !== 'api' && child !== 'broker')) return {};
  return { SLIPWAY_TLS_CERT_PATH: files.certPath, SLIPWAY_TLS_KEY_PATH: files.keyPath };
}

const LOGIN_SETTING = 'SLIPWAY_DATABASE_URL_';

/** The embedded PostgreSQL has a login for each process; of an outside one, each is told its own and no other. */
function withDatabase(
  child: ChildName,
  env: NodeJS.ProcessEnv,
  { addresses, logins, settings }: ChildSurroundings,
): NodeJS.ProcessEnv {
  const setting = `${LOGIN_SETTING}${child.toUpperCase()}`;
  const given = child === 'broker' ? undefined : (logins?.[child] ?? settings.databaseUrls[child]);
  removeAll(env, LOGIN_SETTING, 'DATABASE_URL');
  const own = given === undefined ? {} : { [setting]: given };
  // The API has two: its second one, as the broker's only one, is the service's.
  const isService = child === 'api' || child === 'broker' || given === undefined;
  return { ...env, ...own, ...(isService ? { DATABASE_URL: logins?.service ?? addresses.database } : {}) };
}

function removeAll(env: NodeJS.ProcessEnv, ...prefixes: string[]): void {
  for (const name of Object.keys(env)) if (prefixes.some((prefix) => name.startsWith(prefix))) delete env[name];
}

/**
 * The environment of a program that fetches or compiles something: it needs proxies and caches by names that nothing
 * here knows, and none of Slipway's own settings.
 */
export function fetchingEnvironment(): NodeJS.ProcessEnv {
  const own = /^(SLIPWAY_|DATABASE_URL|MQTT_|TEMPORAL_|AWS_)/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !own.test(name)));
}

/** What programs read that are not Slipway's: where things are, and which language; and whose they are. */
const NATIVE =
  /^(SLIPWAY_DATA_DIR|PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_\w+|TZ|TMPDIR|TEMP|TMP|XDG_\w+|LD_LIBRARY_PATH|DYLD_\w+|GO\w+)$/;

/**
 * The environment of PostgreSQL and Temporal: it holds no secret, and nothing that would make them use another data
 * folder or another server (PGPORT, TEMPORAL_ADDRESS).
 */
export function nativeEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => NATIVE.test(name)));
}
