import type { DocumentName } from './blocks.js';

/** What a test cannot do as a reader does; `$PWD` is its folder, also in what a block shows. A block that does not hold `text` (any more) fails the test. */
export interface Replaced {
  readonly text: string | RegExp;
  readonly by: string;
  readonly because: string;
}

/** How a block is run. */
export interface Row {
  readonly replaced: readonly Replaced[];
  /** Commands after the block, for what the text around it promises. */
  readonly then?: string;
}

const ADDRESS: Replaced = {
  text: 'http://127.0.0.1:8080',
  by: '$HTTP',
  because: 'each test has free ports',
};

const START: Replaced = {
  text: 'npm start',
  by: 'node dist/workers/up.js > up.log 2>&1 &',
  because: 'built before the tests; it ends with the test',
};
/** Waits until what START started says that it is ready; a walk has a deadline. */
const READY = `until curl -sf "$(jq -r .http .slipway/endpoints.json 2>&-)/health/ready?all=true" > ready.json; do sleep 0.2; done`;

/**
 * Each command block of the documents. The commands of a document run in one shell, one block after the other, in a
 * folder that looks like a checkout, with a Slipway's data folder as its `.slipway`.
 */
export const ROWS: Readonly<Record<DocumentName, Readonly<Record<string, Row>>>> = {
  'README.md': {
    'Two commands (1)': {
      replaced: [
        {
          text: 'npm ci && npm run demo',
          by: 'node dist/demo/main.js > demo.log',
          because: 'packages and build are there before the tests',
        },
        {
          text: 'npm start',
          by: ':',
          because: 'it runs already, on free ports; test/e2e/all-in-one.test.ts starts it by npm',
        },
      ],
      then: "grep -q '^All 200 devices ended as their fault profile says' demo.log",
    },
    'From upload to `installed` (1)': {
      replaced: [
        {
          text: /^npm run pack:cli.*$/,
          by: [
            'export XDG_CONFIG_HOME=$PWD/settings',
            'slipway() { node dist/cli/slipway/main.js "$@"; }',
            'head -c 1000000 /dev/urandom > switch-1.5.0.bin',
          ].join('\n'),
          because: 'a package for all of the machine; test/cli/transcripts.test.ts installs it into a folder',
        },
        ADDRESS,
        {
          text: 'SLIPWAY_USERNAME=',
          by: 'SLIPWAY_DIR=./hall SLIPWAY_HOST=$MQTT_HOST SLIPWAY_PORT=$MQTT_PORT SLIPWAY_USERNAME=',
          because: 'each test has free ports, and other documents have shell devices, too',
        },
      ],
    },
    'A first rollout (1)': { replaced: [] },
  },
  'docs/curl.md': {
    'From upload to `installed` (1)': { replaced: [ADDRESS] },
    'A first rollout (1)': { replaced: [] },
  },
  'docs/rollouts.md': { 'First rollout with curl (1)': { replaced: [ADDRESS] } },
  'docs/device-guide.md': {
    'A first device in ten minutes (1)': { replaced: [ADDRESS] },
    'A first device in ten minutes (2)': {
      replaced: [
        {
          text: 'SLIPWAY_USERNAME=',
          by: 'SLIPWAY_HOST=$MQTT_HOST SLIPWAY_PORT=$MQTT_PORT SLIPWAY_USERNAME=',
          because: 'each test has free ports',
        },
      ],
    },
    'A first device in ten minutes (3)': { replaced: [] },
  },
  'docs/connect/http.md': {
    'Register it (1)': { replaced: [ADDRESS] },
    'Speak for it by hand (1)': { replaced: [] },
    'Let a script speak for it (1)': { replaced: [] },
    'Install something (1)': { replaced: [] },
  },
  'docs/connect/swupdate.md': {
    'Register the device (1)': { replaced: [ADDRESS] },
    'Register the device (2)': { replaced: [] },
    'Make a signed image (1)': { replaced: [] },
    'Install it (1)': { replaced: [] },
    'Install it (2)': { replaced: [] },
    'After the reboot (1)': { replaced: [] },
  },
  'docs/operations.md': {
    'Your own PostgreSQL (1)': { replaced: [] },
    'Your own PostgreSQL (2)': {
      replaced: [
        { text: '127.0.0.1:5432', by: '127.0.0.1:$POSTGRES_PORT', because: 'each test has free ports' },
        START,
      ],
      then: `
        ${READY}
        psql -qtA "$SUPERUSER" -c "SELECT DISTINCT usename FROM pg_stat_activity WHERE datname = 'slipway'" > users
        [ "$(cat users)" = slipway ]
        psql -q "$SUPERUSER" -c 'CREATE DATABASE another OWNER slipway'
        own=postgres://slipway:a-long-secret@127.0.0.1:$POSTGRES_PORT
        export SLIPWAY_BACKUP_KEY_FILE=$PWD/backup.key
        openssl rand -base64 48 > $SLIPWAY_BACKUP_KEY_FILE
        DATABASE_URL=$own/slipway npx slipway-admin backup $PWD/backup
        DATABASE_URL=$own/another npx slipway-admin --data-dir $PWD/restored restore $PWD/backup`,
    },
  },
  'docs/backup.md': {
    'Backup, restore and blob migration (1)': {
      replaced: [
        { text: '/backups/', by: '$PWD/backups/', because: 'a test writes into its own folder' },
        { text: '/etc/slipway/backup.key', by: '$PWD/backup.key', because: 'a test writes into its own folder' },
        { text: '/srv/slipway', by: '$PWD/restored', because: 'a test writes into its own folder' },
      ],
    },
  },
  'docs/mosquitto.md': {
    'Setup (1)': {
      replaced: [
        { text: /^apt-get .*$/m, by: '', because: 'packages are there before the tests' },
        { text: /^systemctl .*$/m, by: '', because: 'the broker of the machine is left alone' },
        { text: /^npm ci && npm run build$/m, by: '', because: 'packages and build are there before the tests' },
        { text: '--dir /etc/mosquitto/slipway', by: '--dir $PWD/mosquitto', because: 'own folder' },
        {
          text: '--data /var/lib/mosquitto --host 0.0.0.0',
          by: '--data $PWD/mosquitto --host 127.0.0.1 --port $MQTT_PORT',
          because: 'own folder, loopback, and a free port',
        },
        {
          text: 'chown -R mosquitto: /etc/mosquitto/slipway',
          by: '[ "$(id -u)" != 0 ] || chown -R mosquitto: $PWD/mosquitto',
          because: 'own folder; without root mosquitto runs as who starts it',
        },
        {
          text: 'mosquitto -d -c /etc/mosquitto/slipway/mosquitto.conf',
          by: 'mosquitto -c $PWD/mosquitto/mosquitto.conf > mosquitto.log 2>&1 &',
          because: 'own folder; it ends with the test',
        },
      ],
    },
    'Setup (2)': {
      replaced: [
        { text: 'mqtt://127.0.0.1:1883', by: 'mqtt://127.0.0.1:$MQTT_PORT', because: 'each test has free ports' },
        START,
      ],
      then: `
        ${READY}
        grep -q mqtt://127.0.0.1:$MQTT_PORT .slipway/endpoints.json
        [ "$(jq -r .dependencies.mqtt.status ready.json)" = up ]`,
    },
  },
};
