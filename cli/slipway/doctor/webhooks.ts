import { listWebhookDeliveries, listWebhooks, type Client, type Webhook } from '../../../client/index.js';
import { allOf } from '../pages.js';
import { fault, look, well, type Finding } from './finding.js';

/** Receivers that were switched off, or do not take what is posted. */
export async function webhookFindings(client: Client): Promise<Finding[]> {
  const all = await allOf((query) => listWebhooks({ client, query }));
  if (all.length === 0) return [];
  const bad = all.filter(({ enabled, disabledBecause, failingSince }) =>
    enabled ? failingSince !== null : disabledBecause !== null,
  );
  if (bad.length === 0) return [well('webhooks', `${all.length}, and each receiver takes what is posted`)];
  return Promise.all(bad.map((one) => finding(client, one)));
}

async function finding(client: Client, { id, url, enabled, disabledBecause, failingSince }: Webhook): Promise<Finding> {
  // What stands behind the host may be a secret of the receiver's.
  const name = `${new URL(url).origin}/… (${id})`;
  if (!enabled)
    return look('webhooks', `${name} is switched off: ${disabledBecause}`, `slipway webhook change ${id} --enable`);
  const query = { state: 'pending,failed', pageSize: 20 };
  const { data } = await listWebhookDeliveries({ client, path: { id }, query });
  const [last] = data.filter(({ attempts }) => attempts > 0);
  const why =
    last === undefined ? '' : `: ${last.lastStatus === null ? last.lastError : `it answers ${last.lastStatus}`}`;
  return fault(
    'webhooks',
    `${name} takes nothing since ${failingSince}${why}`,
    `Start the receiver, or correct its address: slipway webhook change ${id} --url URL. Then what waits is posted.`,
  );
}
