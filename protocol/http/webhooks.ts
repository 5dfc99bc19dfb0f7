import { z } from 'zod';
import { anyEvent, id, knownEvent, listOf, listQuery, text, timestamp } from './envelope.js';
import { historyEvent, printHistoryEvent, type PrintableEntry } from './live-events.js';
import { isoTime, timeOrNull } from './print-plan.js';

/** Who is told, by HTTP, of what happens. */
const MAX_URL_LENGTH = 2_048;
const url = z
  .string()
  .max(MAX_URL_LENGTH)
  .superRefine((value, context) => {
    const parsed = URL.canParse(value) ? new URL(value) : undefined;
    if (!parsed || !['http:', 'https:'].includes(parsed.protocol))
      context.addIssue({ code: 'custom', message: 'must be a URL that begins with https:// or http://' });
    else if (parsed.username !== '' || parsed.password !== '')
      context.addIssue({
        code: 'custom',
        message: 'must hold no user name and no password; the receiver knows us by the signature',
      });
  })
  .meta({
    description:
      'Where deliveries are posted. Redirects are not followed, and a URL with a loopback, link-local or private address is refused, as is a connection to one, unless the service is set up to',
    example: 'https://ops.example.com/slipway',
  });
const events = z
  .array(knownEvent)
  .max(100)
  .meta({
    description: 'Names of events, as they stand in the history. Empty: all',
    example: ['fail_group', 'finish'],
  });
const description = text(0, 1024).nullable();

/** A webhook to make; without `events` it is told all (docs/contracts/rest-api.md, "Events and webhooks"). */
export const newWebhook = z.strictObject({ url, events: events.optional(), description: description.optional() }).meta({
  id: 'NewWebhook',
  example: {
    url: 'https://ops.example.com/slipway',
    events: ['created', 'failed', 'fail_group', 'finish'],
    description: 'the pager',
  },
});

/** Absent members stay as they are. */
export const webhookPatch = z
  .strictObject({
    url: url.optional(),
    events: events.optional(),
    description: description.optional(),
    enabled: z.boolean().optional().meta({ description: 'true: tries again, and continues where it stopped' }),
  })
  .meta({ id: 'WebhookPatch', example: { enabled: true } });

const shape = {
  id,
  url: z.string(),
  events: z.array(z.string()),
  description: z.string().nullable(),
  enabled: z.boolean(),
  disabledAt: timestamp.nullable(),
  disabledBecause: z.string().nullable(),
  failingSince: timestamp.nullable().meta({ description: 'Nothing was delivered since' }),
  position: z.int().meta({ description: 'The number in the history up to which deliveries were made' }),
  createdBy: z.string(),
  createdAt: timestamp,
  updatedAt: timestamp,
};
const EXAMPLE = {
  id: '123e4567-e89b-12d3-a456-426655440030',
  url: 'https://ops.example.com/slipway',
  events: ['created', 'failed', 'fail_group', 'finish'],
  description: 'the pager',
  enabled: true,
  disabledAt: null,
  disabledBecause: null,
  failingSince: null,
  position: 4711,
  createdBy: 'key:admin',
  createdAt: '2026-11-24T10:00:00.000Z',
  updatedAt: '2026-11-24T10:00:00.000Z',
};

/** A webhook as it is answered, without its secret. */
export const webhook = z.strictObject(shape).meta({ id: 'Webhook', example: EXAMPLE });
/** The answer to the POST only: the secret is in no other one. */
export const webhookWithSecret = z
  .strictObject({
    ...shape,
    secret: z.string().meta({
      description: 'Signs each delivery: `whsec_` and 32 bytes in base64 (Standard Webhooks). Shown this once',
    }),
  })
  .meta({
    id: 'WebhookWithSecret',
    example: { ...EXAMPLE, secret: 'whsec_9bYkz0CwX5v2m1d8Qf3sT7uJ4nLrHaPeGiKoVxZcBtM=' },
  });

/** Times are epoch milliseconds. */
export interface PrintableWebhook {
  readonly id: string;
  readonly url: string;
  readonly events: readonly string[];
  readonly description: string | null;
  readonly position: number;
  readonly failingSince: number | null;
  readonly disabledAt: number | null;
  readonly disabledBecause: string | null;
  readonly createdBy: string;
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** Epoch milliseconds become RFC 3339; `enabled` is derived from when it was disabled. */
export function printWebhook(of: PrintableWebhook): z.input<typeof webhook> {
  return {
    id: of.id,
    url: of.url,
    events: [...of.events],
    description: of.description,
    enabled: of.disabledAt === null,
    disabledAt: timeOrNull(of.disabledAt),
    disabledBecause: of.disabledBecause,
    failingSince: timeOrNull(of.failingSince),
    position: of.position,
    createdBy: of.createdBy,
    createdAt: isoTime(of.createdAt),
    updatedAt: isoTime(of.updatedAt),
  };
}

const STATES = ['pending', 'delivered', 'failed'] as const;
/** The query of the deliveries of a webhook. */
export const deliveryQuery = listQuery({
  state: listOf(z.enum(STATES))
    .optional()
    .meta({ description: `Comma list: ${STATES.join(', ')}`, example: 'pending,failed' }),
});

/** One delivery, which is one entry of the history for one webhook. */
export const delivery = z
  .strictObject({
    id,
    number: z.int().meta({ description: 'Of the entry in the history' }),
    event: anyEvent,
    state: z.enum(STATES),
    attempts: z.int(),
    nextAttemptAt: timestamp.nullable(),
    lastAttemptAt: timestamp.nullable(),
    lastStatus: z.int().nullable(),
    lastError: z.string().nullable(),
    redeliveryOf: id.nullable(),
    createdAt: timestamp,
  })
  .meta({
    id: 'WebhookDelivery',
    example: {
      id: '123e4567-e89b-12d3-a456-426655440031',
      number: 4711,
      event: 'created',
      state: 'pending',
      attempts: 2,
      nextAttemptAt: '2026-11-24T10:00:30.000Z',
      lastAttemptAt: '2026-11-24T10:00:10.000Z',
      lastStatus: 503,
      lastError: 'it answered 503',
      redeliveryOf: null,
      createdAt: '2026-11-24T10:00:00.000Z',
    },
  });

/** Times are epoch milliseconds; `number` is that of the entry in the history. */
export interface PrintableDelivery {
  readonly id: string;
  readonly number: number;
  readonly event: string;
  readonly state: (typeof STATES)[number];
  readonly attempts: number;
  readonly dueAt: number | null;
  readonly lastAttemptAt: number | null;
  readonly lastStatus: number | null;
  readonly lastError: string | null;
  readonly redeliveryOf: string | null;
  readonly createdAt: number;
}

/** Epoch milliseconds become RFC 3339. */
export function printDelivery({ dueAt, lastAttemptAt, createdAt, ...of }: PrintableDelivery): z.input<typeof delivery> {
  return {
    ...of,
    nextAttemptAt: timeOrNull(dueAt),
    lastAttemptAt: timeOrNull(lastAttemptAt),
    createdAt: isoTime(createdAt),
  };
}

/** What is posted: the entry as `GET /v1/events` shows it, under the id of the delivery. */
export const webhookPayload = z.strictObject({ deliveryId: id, ...historyEvent.shape });

/** The body that is signed and sent, byte for byte (docs/contracts/rest-api.md, "Events and webhooks"). */
export function webhookBody(deliveryId: string, entry: PrintableEntry): string {
  return JSON.stringify({ deliveryId, ...printHistoryEvent(entry) } satisfies z.input<typeof webhookPayload>);
}
