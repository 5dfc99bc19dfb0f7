import { readFileSync } from 'node:fs';
import pg from 'pg';
import { installationDownloadUrl } from '../../dist/protocol/http/download-links.js';
import { readLinkSigner } from '../../dist/store/fleet/downloads.js';

const SLOTS = ['firmware', 'bootloader', 'configuration'];

/**
 * Resources of every kind, in several states, for hooks.py: what is made up alone never gets past "there is no such".
 */
export async function resources({ http, database }, token) {
  const call = async (method, path, body, type = 'application/json') => {
    const response = await fetch(http + path, {
      method,
      headers: { authorization: `Bearer ${token}`, ...(body === undefined ? {} : { 'content-type': type }) },
      ...(body === undefined ? {} : { body }),
    });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return response.status === 204 ? undefined : (await response.json()).data;
  };
  const make = async (path, body) => (await call('POST', path, JSON.stringify(body))).id;
  const times = (count, work) => Promise.all(Array.from({ length: count }, (_, at) => work(at)));

  const slots = Object.fromEntries(SLOTS.map((slot) => [slot, { name: slot }]));
  const deviceTypes = await times(6, (at) => make('/v1/device-types', { name: `type ${at}`, slots }));
  const drafts = await times(30, (at) => make('/v1/firmwares', { name: `draft ${at}` }));
  const firmwares = await times(9, async (at) => {
    const id = await make('/v1/firmwares', { name: `firmware ${at}`, version: `1.${at}.0` });
    await call('POST', `/v1/firmwares/${id}/blob`, `bytes of ${at}`.repeat(500), 'application/octet-stream');
    for (const type of deviceTypes)
      for (const slot of SLOTS)
        await make(`/v1/device-types/${type}/slots/${slot}/firmware-associations`, { firmwareId: id });
    return id;
  });
  const device = (at, connectedBy) =>
    make('/v1/devices', {
      info: {
        name: `device ${at}`,
        deviceTypeId: deviceTypes[0],
        tags: ['fuzz'],
        aliases: [`alias ${at}`],
        ...(connectedBy ? { connectedBy } : {}),
      },
    });
  const gateways = await times(3, (at) => device(at));
  const devices = [
    ...gateways,
    ...(await times(12, (at) => device(10 + at, at % 2 === 0 ? gateways[at % 3] : undefined))),
  ];
  await make(`/v1/devices/${gateways[0]}/credentials`, { type: 'password' });
  const { token: deviceToken } = await call(
    'POST',
    `/v1/devices/${gateways[0]}/credentials`,
    JSON.stringify({ type: 'token' }),
  );
  await make(`/v1/devices/${gateways[1]}/certificates`, {
    cert: readFileSync(new URL('../fixtures/device-certificate.pem', import.meta.url), 'utf8'),
  });
  const installations = (
    await Promise.all(
      devices.slice(0, 10).map(async (deviceId, at) => {
        const path = `/v1/devices/${deviceId}/firmware-installations`;
        const ids = [];
        for (const slot of SLOTS)
          ids.push(await make(path, { firmwareId: firmwares[at % 5], slot, gate: at % 2 === 0 ? 'go' : 'hold' }));
        await call('PATCH', `${path}/${ids[1]}`, JSON.stringify({ completedAt: new Date().toISOString() }));
        return ids.map((id) => ({ deviceId, id }));
      }),
    )
  ).flat();
  const rollouts = await times(8, (at) =>
    make('/v1/rollouts', {
      name: `rollout ${at}`,
      steps: [{ slot: 'firmware', firmwareId: firmwares[8] }],
      targets: { deviceIds: devices },
      pace: { offline: 'offer' },
      approval: { required: at === 3 ? 1 : 0 },
    }),
  );
  for (const [at, id] of rollouts.entries()) if (at > 0) await call('POST', `/v1/rollouts/${id}/start`);
  await call('POST', `/v1/rollouts/${rollouts[1]}/pause`);
  await call('POST', `/v1/rollouts/${rollouts[2]}/abort`);
  return {
    deviceToken,
    deviceTypes,
    drafts,
    rollouts,
    firmwares,
    devices,
    installations,
    firmwareLinks: await Promise.all(
      firmwares
        .slice(0, 5)
        .map(async (id) => linkOf((await call('GET', `/v1/firmwares/${id}`)).downloadUrl, 'firmwareId')),
    ),
    installationLinks: (await installationUrls(database, http, installations)).map((url) =>
      linkOf(url, 'installationId'),
    ),
  };
}

/** Links of instructions are given to devices only; here they are made as the bridge makes them. */
async function installationUrls(database, http, installations) {
  const client = new pg.Client({ connectionString: database, connectionTimeoutMillis: 10_000 });
  await client.connect();
  try {
    const sign = await readLinkSigner(client);
    return installations.map(({ id }) => installationDownloadUrl(http, sign, 'default', id));
  } finally {
    await client.end();
  }
}

function linkOf(url, name) {
  const { pathname, searchParams } = new URL(url);
  const [, , , tenant, id] = pathname.split('/');
  return { path: { tenant, [name]: id }, query: [...searchParams] };
}
