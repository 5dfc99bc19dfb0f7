import { z } from 'zod';
import { jsonOf, type SmallFiles } from './small-files.js';
import { EMPTY_STATE, PHASES, type AgentState } from './state.js';

const document = z.looseObject({
  revision: z.number(),
  installationId: z.string(),
  attempt: z.number(),
  issuedAt: z.string(),
  slot: z.string(),
  device: z.looseObject({ id: z.string() }),
  firmware: z.looseObject({ version: z.string(), size: z.number(), sha256: z.string() }),
  download: z.looseObject({ url: z.string() }),
  gate: z.enum(['go', 'hold']),
  policy: z.looseObject({ maxDeferSeconds: z.number(), retryDownload: z.number() }),
});
const status = z.looseObject({
  v: z.literal(1),
  installationId: z.string(),
  attempt: z.number(),
  seq: z.number(),
  state: z.string(),
});
const span = z.object({ leftMs: z.number(), at: z.number(), boot: z.string() }).nullable();

/** What the agent relies on; what it does not know is kept as it is. */
const agentState = z.looseObject({
  v: z.literal(1),
  slots: z.record(
    z.string(),
    z.looseObject({
      revision: z.number(),
      job: z
        .looseObject({
          desired: document,
          phase: z.enum(PHASES),
          seq: z.number(),
          last: status.nullable(),
          wait: span,
          patience: span,
          begin: span,
          rebootFrom: z.string().nullable(),
          reboots: z.number(),
        })
        .nullable(),
      next: document.nullable(),
      ended: status.nullable(),
      kept: z.object({ sha256: z.string(), size: z.number(), left: span.nullish() }).nullish(),
    }),
  ),
  unacknowledged: z.array(status),
});

/** Where the agent's state lives: one JSON file, replaced as a whole. */
export class StateFile {
  constructor(
    private readonly path: string,
    private readonly files: SmallFiles,
  ) {}

  /**
   * @returns the empty state also where the file is damaged, which is told: what the slots hold, and of which revision,
   * stands beside their content, so that what is there is not installed again.
   */
  load(): Promise<AgentState> {
    return this.files.read(this.path, jsonOf<AgentState>(agentState), EMPTY_STATE);
  }

  save(state: AgentState): Promise<void> {
    return this.files.replace(this.path, JSON.stringify(state));
  }
}
