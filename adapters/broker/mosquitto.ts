import { pbkdf2Sync, randomBytes } from 'node:crypto';
import { parseUsername, type Identity } from '../../protocol/mqtt/access.js';
import { accessList, type AccessList } from '../../protocol/mqtt/access-list.js';
import { MAX_PACKET_BYTES } from './packet-limits.js';

/**
 * Of mosquitto ≥ 2.0.11 with its dynamic security plugin: where commands to it go, and where its answers come (QoS 0,
 * to all who subscribed).
 */
export const CONTROL_TOPIC = '$CONTROL/dynamic-security/v1';
/** Where the dynamic security plugin answers each command. */
export const RESPONSE_TOPIC = `${CONTROL_TOPIC}/response`;

/** One right of a role. What no role allows is refused. */
export interface Acl {
  readonly acltype: 'publishClientSend' | 'publishClientReceive' | 'subscribePattern' | 'subscribeLiteral';
  readonly topic: string;
  readonly priority: number;
  readonly allow: boolean;
}

/** An MQTT user of mosquitto. */
export interface Login {
  readonly username: string;
  readonly password: string;
}

/** What the configuration of a mosquitto is made from; paths are those of its own machine. */
export interface MosquittoOptions {
  readonly host: string;
  readonly port: number;
  /** Absolute, writable for mosquitto's own user: what it keeps over restarts. */
  readonly dataDir: string;
  /** Absolute path of the plugin's .so; on Debian below /usr/lib/<architecture>-linux-gnu. */
  readonly plugin: string;
  /**
   * Absolute path of the file that `initialSecurity` made; writable, and its folder too: the plugin writes it anew at
   * each change.
   */
  readonly securityFile: string;
}

/**
 * mosquitto.conf. Its defaults lose: measured, 70 % of a burst was dropped after PUBACK. So queues are long.
 *
 * It saves by writing all that it keeps. Measured at each change: 196 MB a second with 400 devices, and the bridge was
 * cut off eleven times. So it saves once in a while; what a crash takes with it the bridge makes good
 * (docs/mosquitto.md).
 */
export function mosquittoConf({ host, port, dataDir, plugin, securityFile }: MosquittoOptions): string {
  const lines = [
    `listener ${port} ${host}`,
    'allow_anonymous false',
    // 2.0.11's plugin has one state for all listeners.
    'per_listener_settings false',
    `plugin ${plugin}`,
    `plugin_opt_config_file ${securityFile}`,
    'persistence true',
    `persistence_location ${dataDir.replace(/\/*$/, '/')}`,
    'autosave_on_changes false',
    'autosave_interval 60',
    'max_queued_messages 1000000',
    'max_inflight_messages 1000',
    // A device that never returns shall not be queued for until the disk is full. The bridge's own session counts too:
    // it is never away for so long.
    'persistent_client_expiration 30d',
    `max_packet_size ${MAX_PACKET_BYTES}`,
    'set_tcp_nodelay true',
    'log_dest stderr',
    'log_type error',
    'log_type warning',
    'log_type notice',
  ];
  return `# Made by Slipway from its own rules (docs/mosquitto.md). TLS: add certfile, keyfile and cafile below the listener.\n${lines.join('\n')}\n`;
}

/** As mosquitto_ctrl does it. The service's password is an operator's, and may be a weak one. */
const ITERATIONS = 20_000;
const SALT_BYTES = 12;
const HASH_BYTES = 64;

/**
 * dynamic-security.json for a first start: the service, which is also the administrator, and no other user. Devices
 * come through the control topic.
 * @throws when the name could be a device's.
 */
export function initialSecurity(service: Login): string {
  if (parseUsername(service.username))
    throw new Error(
      `the service cannot be called "${service.username}": that is how devices are named (tenant/node); choose a name without "/"`,
    );
  const salt = randomBytes(SALT_BYTES);
  const content = {
    defaultACLAccess: { publishClientSend: false, publishClientReceive: false, subscribe: false, unsubscribe: true },
    clients: [
      {
        username: service.username,
        textname: 'The Slipway service',
        roles: [{ rolename: SERVICE_ROLE }],
        password: pbkdf2Sync(service.password, salt, ITERATIONS, HASH_BYTES, 'sha512').toString('base64'),
        salt: salt.toString('base64'),
        iterations: ITERATIONS,
      },
    ],
    groups: [],
    roles: [{ rolename: SERVICE_ROLE, acls: [...aclsOf({ kind: 'service' }), ...ADMINISTRATION] }],
  };
  return `${JSON.stringify(content, undefined, 2)}\n`;
}

/** A name that no device has: theirs contain a slash. */
const SERVICE_ROLE = 'slipway-service';

const allow =
  (acltype: Acl['acltype']) =>
  (topic: string): Acl => ({ acltype, topic, priority: 0, allow: true });

const ADMINISTRATION: readonly Acl[] = [
  allow('publishClientSend')(CONTROL_TOPIC),
  allow('publishClientReceive')(RESPONSE_TOPIC),
  allow('subscribeLiteral')(RESPONSE_TOPIC),
];

/**
 * The matcher's list as rights of a role. The plugin of 2.0 has no %u, so each node has a role of its own with its
 * topics spelled out. They only ever allow: what nothing allows is refused, so the order in which 2.0.11 looks at equal
 * priorities cannot matter.
 */
export function aclsOf(identity: Identity): Acl[] {
  const list: AccessList = accessList(identity);
  return [
    ...list.publish.map(allow('publishClientSend')),
    ...list.receive.map(allow('publishClientReceive')),
    ...list.subscribe.map(allow('subscribePattern')),
  ];
}
