import {
  listApiKeys,
  listCertificates,
  listCredentials,
  listDevices,
  listDeviceTypes,
  listEnrolments,
  listEnrolmentTokens,
  listFirmwareInstallations,
  listFirmwares,
  listJobs,
  listRollouts,
  listRolloutTemplates,
  listTenants,
  listWebhooks,
  type Client,
  type DeviceRow,
} from '../../../client/index.js';
import { readProfiles } from '../profiles.js';
import { deviceId } from '../resolve.js';
import type { Candidate } from './candidates.js';

/** What is asked with: a client that gives up after the deadline, made when something is asked. */
export interface Asked {
  readonly client: Client;
  /** What stands at the cursor already. */
  readonly begun: string;
  /** Arguments before it. */
  readonly args: readonly string[];
}

type Lister = (asked: Asked) => Promise<Candidate[]>;

/** One page is enough for a person to choose from; more letters find the others. */
const PAGE = 100;
/** Rows with an id and a name are small: so many come in one answer. */
const ROWS = 1_000;
/** What begins like an id. */
const LIKE_ID = /^[0-9a-f]{1,8}(-[0-9a-f-]*)?$/;

/** By the name of an argument, or of an option's value. What is not here has no candidates. */
export const THINGS: Readonly<Record<string, Lister>> = {
  device: devices,
  rollout: async ({ client, begun }) => {
    const query = LIKE_ID.test(begun) ? {} : { q: begun };
    const { data } = await listRollouts({ client, query: { ...query, pageSize: PAGE } });
    return data.flatMap(({ id, name, phase }) => both(id, name, phase));
  },
  type: async ({ client, begun }) => {
    const query = LIKE_ID.test(begun) ? {} : { q: begun };
    const { data } = await listDeviceTypes({ client, query: { ...query, pageSize: PAGE } });
    return data.flatMap(({ id, name, model }) => both(id, name, model ?? ''));
  },
  template: async ({ client }) => {
    const { data } = await listRolloutTemplates({ client, query: { pageSize: PAGE } });
    return data.flatMap(({ id, name }) => both(id, name, ''));
  },
  firmware: async ({ client, begun }) => {
    const [name = ''] = begun.split('@');
    const query = LIKE_ID.test(begun) ? {} : { q: name };
    const { data } = await listFirmwares({ client, query: { ...query, pageSize: PAGE } });
    return data.flatMap((one) => both(one.id, `${one.name}@${one.version}`, one.state));
  },
  installation: async ({ client }) => {
    const { data } = await listFirmwareInstallations({ client, query: { pageSize: PAGE } });
    return data.map(({ id = '', state = '' }) => ({ value: id, says: state }));
  },
  job: async ({ client }) => {
    const { data } = await listJobs({ client, query: { pageSize: PAGE } });
    return data.map(({ id, kind, state }) => ({ value: id, says: `${kind}, ${state}` }));
  },
  webhook: async ({ client }) => {
    const { data } = await listWebhooks({ client, query: { pageSize: PAGE } });
    return data.map(({ id, url }) => ({ value: id, says: new URL(url).host }));
  },
  key: async ({ client }) => {
    const { data } = await listApiKeys({ client, query: { pageSize: PAGE } });
    return data.map(({ id, name, state }) => ({ value: id, says: `${name}, ${state}` }));
  },
  tenant: async ({ client }) => {
    const { data } = await listTenants({ client, query: { pageSize: PAGE } });
    return data.map(({ id, name }) => ({ value: id, says: name ?? '' }));
  },
  credential: async ({ client, args: [device = ''] }) => {
    const { data } = await listCredentials({ client, path: { id: await deviceId(client, device) } });
    return data.map(({ id, type }) => ({ value: id, says: type }));
  },
  certificate: async ({ client, args: [device = ''] }) => {
    const { data } = await listCertificates({ client, path: { id: await deviceId(client, device) } });
    return data.map(({ id, status }) => ({ value: id, says: status }));
  },
  enrolment: async ({ client }) => {
    const { data } = await listEnrolments({ client, query: { pageSize: PAGE } });
    return data.map(({ id, serial, state }) => ({ value: id, says: `${serial}, ${state}` }));
  },
  token: async ({ client }) => {
    const { data } = await listEnrolmentTokens({ client, query: { pageSize: PAGE } });
    return data.map(({ id, name, state }) => ({ value: id, says: `${name}, ${state}` }));
  },
  profile: async () => profiles(),
};

function profiles(): Candidate[] {
  return Object.entries(readProfiles().profiles).map(([value, { url }]) => ({ value, says: url }));
}

async function devices({ client, begun }: Asked): Promise<Candidate[]> {
  // The service looks for the beginning of a name; of an id it cannot: the newest rows are looked through.
  const query = LIKE_ID.test(begun) ? {} : { name: `${begun.replaceAll('*', '')}*` };
  const rows = (await listDevices({ client, query: { ...query, fields: 'id,name', pageSize: ROWS } })) as {
    data: DeviceRow[];
  };
  return rows.data.flatMap(({ id = '', name = '' }) => both(id, name, ''));
}

/** A thing goes by its name and by its id. */
function both(id: string, name: string, says: string): Candidate[] {
  return [
    { value: name, says },
    { value: id, says: name },
  ];
}
