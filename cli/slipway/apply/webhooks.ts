import {
  createWebhook,
  deleteWebhook,
  listWebhooks,
  patchWebhook,
  type Webhook,
  type WebhookPatch,
} from '../../../client/index.js';
import { allOf } from '../pages.js';
import { bare, differenceLines, differences, mergePatch, without } from './compare.js';
import { nameOf, type Wanted } from './documents.js';
import { orFault, type Around, type Planned, type Step } from './step.js';
import { isSecretName } from './secrets.js';

/**
 * Webhooks by their URLs, in which `${NAME}` stands for a secret. The secret that signs is made by the service, shown
 * once, and kept in the folder for secrets under the name of the member `secret`.
 */
export async function planWebhooks(around: Around): Promise<Planned> {
  const { client, documents, secrets } = around;
  const existing = await allOf((query) => listWebhooks({ client, query }));
  const wanted = documents.filter(({ kind }) => kind === 'webhook');
  const steps: Step[] = [];
  const faults: string[] = [];
  const urls = new Set<string>();
  for (const document of wanted) {
    const { body, file } = document;
    const url = await orFault(file, '/url', faults, () => secrets.filled(String(body['url'])));
    if (url === undefined) continue;
    urls.add(url);
    const [found, second] = existing.filter((one) => one.url === url);
    const fault = faultOf(document, found, second, secrets.canKeep);
    if (fault !== undefined) faults.push(fault);
    else if (found === undefined) steps.push(creation(around, document, url));
    else steps.push(...change(around, document, found));
  }
  const surplus = existing
    .filter(({ url }) => !urls.has(url))
    .map(({ id, url }): Step => ({
      action: 'delete',
      kind: 'webhook',
      // What stands behind the host may be a secret of the receiver's.
      name: `webhook ${new URL(url).origin}/… (${id})`,
      lines: [],
      run: async () => void (await deleteWebhook({ client, path: { id } })),
    }));
  return { steps, surplus, same: wanted.length - steps.length - faults.length, faults };
}

function faultOf(
  { body, file }: Wanted,
  found: Webhook | undefined,
  second: Webhook | undefined,
  canKeep: boolean,
): string | undefined {
  const { secret } = body;
  if (second !== undefined) return `${file.placeOf('/url')} /url several webhooks of the service have this URL`;
  if (secret !== undefined && !isSecretName(secret))
    return `${file.placeOf('/secret')} /secret has to be a name such as PAGER_SECRET, never a secret itself`;
  if (found === undefined && secret !== undefined && !canKeep)
    return `${file.placeOf('/secret')} /secret the service makes it: name a folder to keep it in, --secrets FOLDER`;
  return undefined;
}

function creation({ client, secrets }: Around, document: Wanted, url: string): Step {
  const { secret, enabled } = document.body;
  const rest = without(document.body, 'secret', 'url', 'enabled');
  return {
    action: 'create',
    kind: 'webhook',
    name: nameOf(document),
    lines: differenceLines(differences({}, { ...bare(rest), ...(enabled === undefined ? {} : { enabled }) })),
    file: document.file,
    run: async () => {
      const { data } = await createWebhook({ client, body: { ...rest, url } });
      const kept = isSecretName(secret) ? secrets.keep(secret, data.secret) : undefined;
      if (enabled === false) await patchWebhook({ client, path: { id: data.id }, body: { enabled } });
      return kept === undefined ? 'Its secret was not kept: it has no member secret.' : `Its secret is in ${kept}.`;
    },
  };
}

function change({ client }: Around, document: Wanted, found: Webhook): Step[] {
  const { body, file } = document;
  const before = shown(found.events, found.description, body['enabled'] === undefined ? undefined : found.enabled);
  const after = shown(body['events'], body['description'], body['enabled']);
  const lines = differenceLines(differences(before, after));
  if (lines.length === 0) return [];
  const patch = mergePatch(before, after);
  // Without names of events it is told all of them.
  const sent = { ...patch, ...(patch['events'] === null ? { events: [] } : {}) } as WebhookPatch;
  const run = async () => void (await patchWebhook({ client, path: { id: found.id }, body: sent }));
  return [{ action: 'change', kind: 'webhook', name: nameOf(document), lines, file, run }];
}

/** The order of events says nothing. Whether it is switched on counts only where the file says so. */
function shown(events: unknown, description: unknown, enabled: unknown) {
  const ordered: unknown = Array.isArray(events) ? [...(events as unknown[])].sort() : events;
  return { ...bare({ events: ordered, description }), ...(enabled === undefined ? {} : { enabled }) };
}
