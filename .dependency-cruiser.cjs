/**
 * The walls of the house (docs/architecture.md): which folder may import which, and inside the larger ones which room
 * may import which. `types` means that only `import type` passes.
 */
const FOLDERS = [
  'domain',
  'protocol',
  'store',
  'workflows',
  'activities',
  'bridge',
  'api',
  'adapters',
  'runtime',
  'workers',
  'agent',
  'demo',
  'cli',
  'client',
  'web',
];

/** What each folder may import at run time. */
const MAY = {
  domain: ['domain'],
  protocol: ['domain', 'protocol'],
  store: ['domain', 'store'],
  workflows: ['domain', 'workflows'],
  activities: ['domain', 'protocol', 'store', 'activities'],
  bridge: ['domain', 'protocol', 'store', 'bridge', 'workflows/messages', 'runtime/pause'],
  api: ['domain', 'protocol', 'store', 'api', 'runtime/pause', 'runtime/health', 'runtime/request-context'],
  adapters: ['domain', 'protocol', 'adapters', 'workflows/messages'],
  runtime: ['domain/duration', 'domain/near-names', 'runtime'],
  agent: ['domain', 'protocol', 'agent'],
  demo: ['domain', 'protocol', 'agent', 'demo'],
  cli: ['domain', 'protocol', 'client', 'cli'],
  client: ['client'],
  web: ['domain', 'protocol', 'client', 'web'],
};
/** What each folder may import in addition, as types only. */
const TYPES = {
  store: ['protocol'],
  workflows: ['protocol', 'activities'],
  activities: ['adapters'],
  bridge: ['adapters'],
  api: ['adapters'],
};
/** npm packages and node's own modules, as regular expressions on the module's name. */
const NPM = {
  domain: [],
  protocol: ['zod', 'cbor2'],
  store: ['pg', 'pg-copy-streams', 'uuidv7', 'node:.*'],
  workflows: ['@temporalio/workflow', '@temporalio/common'],
  activities: ['@temporalio/activity', '@temporalio/common', 'node:.*'],
  bridge: ['mqtt', 'mqtt-packet', 'p-limit', 'pino', 'prom-client', 'standardwebhooks', 'node:.*'],
  runtime: ['pino', 'zod', 'prom-client', 'node:.*'],
};

/**
 * The rooms of a folder, each with the rooms that it may import: no arrow leads back up. A room is a folder, or a file
 * that stands alone (`record.ts`, the single write path). A folder that is not named here has no rooms.
 */
const ROOMS = {
  store: {
    db: [],
    outbox: ['db'],
    history: ['db'],
    fleet: ['db'],
    installations: ['db', 'outbox', 'history', 'fleet'],
    rollouts: ['db', 'outbox', 'history', 'fleet'],
    audit: ['db', 'history'],
    jobs: ['db', 'audit'],
    record: ['db', 'outbox', 'history', 'fleet', 'installations', 'rollouts'],
    commands: ['db', 'outbox', 'history', 'fleet', 'installations', 'rollouts', 'audit', 'jobs', 'record'],
  },
  bridge: {
    mqtt: [],
    rounds: [],
    inbound: ['mqtt', 'rounds'],
    outbound: ['mqtt', 'rounds'],
    webhooks: ['rounds'],
    leader: ['mqtt', 'rounds', 'inbound', 'outbound', 'webhooks'],
  },
  api: {
    simulation: [],
    http: ['simulation'],
    jobs: ['http'],
    auth: ['http'],
    audit: ['http'],
    live: ['http'],
    health: ['http'],
    summary: [],
    metrics: ['http', 'health'],
    housekeeping: [],
    mount: ['http', 'auth'],
    'openapi-answers': ['http'],
    openapi: ['http', 'openapi-answers'],
    devices: ['http', 'auth', 'openapi'],
    routes: ['http', 'audit', 'jobs', 'live', 'metrics', 'health', 'summary'],
    app: ['http', 'auth', 'audit', 'devices', 'jobs', 'health', 'live', 'metrics', 'mount', 'openapi', 'routes'],
  },
  adapters: { authority: [], blobs: [], broker: [], engine: [] },
  web: {
    'vite-env': [],
    service: [],
    live: ['service'],
    design: ['service'],
    frame: ['design', 'service', 'live'],
    pages: ['design', 'service', 'live'],
    router: ['design', 'frame', 'pages'],
    main: ['design', 'frame', 'service', 'router'],
  },
  demo: {
    terminal: [],
    arguments: [],
    service: [],
    installations: ['service', 'terminal'],
    rollout: ['service', 'terminal', 'arguments'],
    fleet: ['service', 'terminal'],
    main: ['service', 'terminal', 'arguments', 'installations', 'rollout', 'fleet'],
  },
  agent: {
    core: [],
    config: [],
    handlers: ['core', 'config'],
    simulator: ['core'],
    main: ['core', 'config', 'handlers'],
  },
};

const folder = (name) => `^${name}(/|(\\.d)?\\.tsx?$|$)`;
const packages = (names) =>
  names.length === 0
    ? '^$'
    : names
        .map((name) => (name.startsWith('node:') ? '' : `node_modules/(@types/)?${name}/`))
        .filter(Boolean)
        .join('|') || '^$';
const PROCESS_FILES = '^(workers/|agent/(main|simulator/main)|demo/main|cli/(admin|mosquitto-files)/)';

module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: { pathNot: '^client/generated/' }, to: { circular: true } },
    { name: 'no-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true, pathNot: '(^|/)dist/' } },
    {
      name: 'no-attics',
      severity: 'error',
      comment: 'No src, lib, utils, helpers, common, shared, manager.',
      from: {},
      to: { path: '(^|/)(src|lib|utils|helpers|common|shared|manager)/', pathNot: 'node_modules' },
    },
    ...Object.entries(MAY).map(([from, to]) => ({
      name: `${from}-stands-on`,
      comment: `${from}/ may import ${to.join(', ')}${TYPES[from] ? `, and types of ${TYPES[from].join(', ')}` : ''}`,
      severity: 'error',
      from: { path: folder(from), pathNot: PROCESS_FILES },
      to: {
        path: FOLDERS.map(folder).join('|'),
        pathNot: [...to.map(folder), ...(TYPES[from] ?? []).map(folder)].join('|'),
      },
    })),
    ...Object.entries(TYPES).map(([from, to]) => ({
      name: `${from}-takes-types-only`,
      comment: `${from}/ may import types of ${to.join(', ')}, never their code`,
      severity: 'error',
      from: { path: folder(from), pathNot: PROCESS_FILES },
      to: {
        path: to.map(folder).join('|'),
        pathNot: MAY[from].map(folder).join('|'),
        dependencyTypesNot: ['type-only'],
      },
    })),
    ...Object.entries(ROOMS).flatMap(([house, rooms]) => [
      {
        name: `${house}-has-rooms`,
        comment: `every file of ${house}/ stands in one of its rooms: ${Object.keys(rooms).join(', ')}`,
        severity: 'error',
        from: {
          path: `^${house}/.*\\.tsx?$`,
          pathNot: Object.keys(rooms)
            .map((room) => folder(`${house}/${room}`))
            .join('|'),
        },
        to: {},
      },
      ...Object.entries(rooms).map(([room, to]) => ({
        name: `${house}-${room}-stands-on`,
        comment: `${house}/${room} may import ${to.join(', ') || 'no other room'} of ${house}/`,
        severity: 'error',
        from: { path: folder(`${house}/${room}`), pathNot: PROCESS_FILES },
        to: { path: `^${house}/.*\\.tsx?$`, pathNot: [room, ...to].map((one) => folder(`${house}/${one}`)).join('|') },
      })),
    ]),
    ...Object.entries(NPM).map(([from, names]) => ({
      name: `${from}-packages`,
      comment: `${from}/ uses ${names.join(', ') || "no packages and none of node's modules"}`,
      severity: 'error',
      from: { path: folder(from) },
      to: { path: 'node_modules/', pathNot: packages(names) },
    })),
    ...Object.entries(NPM)
      .filter(([, names]) => !names.includes('node:.*'))
      .map(([from]) => ({
        name: `${from}-without-node`,
        severity: 'error',
        from: { path: folder(from) },
        to: { dependencyTypes: ['core'] },
      })),
  ],
  options: {
    exclude: {
      path: '^(dist|\\.cache|\\.slipway|coverage|build\\.js|jest\\.config\\.js|eslint\\.config\\.js|web/vite\\.config\\.js)',
    },
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      extensions: ['.ts', '.tsx', '.js', '.json'],
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
};
