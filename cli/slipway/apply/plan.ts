import { CliError } from '../exit.js';
import { planAssociations } from './associations.js';
import type { Kind } from './documents.js';
import { planSettings } from './settings.js';
import type { Around, Planned, Step } from './step.js';
import { planTemplates } from './templates.js';
import { planTypes } from './types.js';
import { planWebhooks } from './webhooks.js';

/** The whole: in the order in which it is done. */
export interface WholePlan {
  readonly steps: readonly Step[];
  /** What is not in the files and stays. */
  readonly surplus: readonly Step[];
  readonly same: number;
  readonly notes: readonly string[];
}

const PLANNERS: Readonly<Record<Kind, (around: Around) => Promise<Planned>>> = {
  type: planTypes,
  association: planAssociations,
  template: planTemplates,
  webhook: planWebhooks,
  settings: planSettings,
};

/**
 * Compares the files with the service. Nothing is changed.
 * @throws CliError usage, with the place of each fault that shows before anything begins
 */
export async function planAll(around: Around): Promise<WholePlan> {
  const { documents, pruned } = around;
  const planned = { type: NOTHING, association: NOTHING, template: NOTHING, webhook: NOTHING, settings: NOTHING };
  for (const [kind, plan] of Object.entries(PLANNERS) as [Kind, (typeof PLANNERS)[Kind]][])
    // A key that may not read webhooks can apply a folder without any.
    if (pruned.has(kind) || documents.some((one) => one.kind === kind)) planned[kind] = await plan(around);
  const all = Object.values(planned);
  const faults = all.flatMap((one) => one.faults ?? []);
  if (faults.length > 0)
    throw new CliError(
      'usage',
      `these files cannot be applied${faults.map((line) => `\n  ${line}`).join('')}`,
      'Nothing was changed. Correct them and try again.',
    );
  const { type, association, template, webhook, settings } = planned;
  const gone = (kind: Kind) => (pruned.has(kind) ? planned[kind].surplus : []);
  return {
    steps: [
      // A slot cannot go while firmware is allowed for it.
      ...gone('association'),
      ...[type, association, template, webhook, settings].flatMap(({ steps }) => steps),
      ...gone('webhook'),
      ...gone('template'),
      ...gone('type'),
    ],
    surplus: all.filter((_, at) => !pruned.has(KIND_ORDER[at] ?? 'settings')).flatMap(({ surplus }) => surplus),
    same: all.reduce((sum, { same }) => sum + same, 0),
    notes: all.flatMap(({ notes = [] }) => notes),
  };
}

const NOTHING: Planned = { steps: [], surplus: [], same: 0 };
const KIND_ORDER = Object.keys(PLANNERS) as readonly Kind[];
