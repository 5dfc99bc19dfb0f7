import type { Command } from 'commander';
import {
  createWebhook,
  deleteWebhook,
  listWebhookDeliveries,
  listWebhooks,
  patchWebhook,
  readWebhook,
  redeliverWebhook,
  type NewWebhook,
  type Webhook,
  type WebhookDelivery,
  type WebhookPatch,
} from '../../../client/index.js';
import { allOf } from '../pages.js';
import type { View } from '../print.js';
import { group, verb, whole } from '../verb.js';

type Events = NonNullable<NewWebhook['events']>;

/** Where events are posted to. */
export function webhookVerbs(program: Command): void {
  const webhook = group(program, 'webhook', 'where events are posted to');
  verb<{ events?: string; description?: string }>(
    webhook,
    {
      usage: 'create <url>',
      says: 'post events to a URL; the secret that signs them is shown this once',
      examples: ['slipway webhook create https://example.com/hook --events pause,finish'],
    },
    async (cli, [url = ''], { events, description }) => {
      const body: NewWebhook = {
        url,
        ...(events && { events: events.split(',') as Events }),
        ...(description && { description }),
      };
      const { data } = await createWebhook({ client: cli.client, body });
      await cli.one(data, WITH_SECRET);
      cli.note('The secret is not shown again.');
    },
  )
    .option('--events <events>', 'comma list; all where it is absent')
    .option('--description <text>', 'what it is for');
  verb(webhook, { usage: 'list', says: 'list them', examples: ['slipway webhook list'] }, async (cli) => {
    const { client } = cli;
    await cli.rows(await allOf((query) => listWebhooks({ client, query })), WEBHOOK);
  });
  verb(
    webhook,
    { usage: 'show <webhook>', says: 'show one', examples: ['slipway webhook show 0193…'] },
    async (cli, [id = '']) => cli.one((await readWebhook({ client: cli.client, path: { id } })).data, WEBHOOK),
  );
  verb<{ url?: string; events?: string; description?: string; enable?: boolean; disable?: boolean }>(
    webhook,
    {
      usage: 'change <webhook>',
      says: 'change one, or switch it on or off',
      examples: ['slipway webhook change 0193… --enable', 'slipway webhook change 0193… --events pause'],
    },
    async (cli, [id = ''], { url, events, description, enable, disable }) => {
      const body: WebhookPatch = {
        ...(url && { url }),
        ...(events && { events: events.split(',') as Events }),
        ...(description && { description }),
        ...(enable && { enabled: true }),
        ...(disable && { enabled: false }),
      };
      await cli.one((await patchWebhook({ client: cli.client, path: { id }, body })).data, WEBHOOK);
    },
  )
    .option('--url <url>', 'another URL')
    .option('--events <events>', 'comma list')
    .option('--description <text>', 'what it is for')
    .option('--enable', 'post again')
    .option('--disable', 'post nothing');
  verb(
    webhook,
    { usage: 'delete <webhook>', says: 'delete one', examples: ['slipway webhook delete 0193…'] },
    async (cli, [id = '']) => {
      await deleteWebhook({ client: cli.client, path: { id } });
      cli.note(`Webhook ${id} is deleted.`);
    },
  );
  deliveryVerbs(webhook);
}

function deliveryVerbs(webhook: Command): void {
  verb<{ state?: string; limit?: number }>(
    webhook,
    {
      usage: 'deliveries <webhook>',
      says: 'what was posted, and how that went',
      examples: ['slipway webhook deliveries 0193… --state failed'],
    },
    async (cli, [id = ''], { state, limit }) => {
      const { client } = cli;
      const query = state ? { state } : {};
      const read = (page: object) => listWebhookDeliveries({ client, path: { id }, query: { ...query, ...page } });
      await cli.rows(await allOf(read, limit), DELIVERY);
    },
  )
    .option('--state <states>', 'comma list: pending, delivered, failed')
    .option('--limit <count>', 'at most so many', whole, 100);
  verb(
    webhook,
    {
      usage: 'redeliver <webhook> <delivery>',
      says: 'post one again',
      examples: ['slipway webhook redeliver 0193… 0194…'],
    },
    async (cli, [id = '', deliveryId = '']) => {
      const { data } = await redeliverWebhook({ client: cli.client, path: { id, deliveryId } });
      await cli.one(data, DELIVERY);
    },
  );
}

const WEBHOOK: View<Webhook> = {
  columns: {
    id: (w) => w.id,
    url: (w) => w.url,
    events: (w) => (w.events.length === 0 ? 'all' : w.events.join(', ')),
    enabled: (w) => w.enabled,
    because: (w) => w.disabledBecause,
    'failing since': (w) => w.failingSince,
  },
  id: (w) => w.id,
};

const WITH_SECRET: View<Webhook & { secret?: string }> = {
  columns: { ...WEBHOOK.columns, secret: (w) => w.secret },
  id: (w) => w.id,
};

const DELIVERY: View<WebhookDelivery> = {
  columns: {
    id: (d) => d.id,
    entry: (d) => d.number,
    event: (d) => d.event,
    state: (d) => d.state,
    attempts: (d) => d.attempts,
    answer: (d) => d.lastStatus ?? d.lastError,
    next: (d) => d.nextAttemptAt,
  },
  id: (d) => d.id,
};
