import type { ProcessTitle } from '../../adapters/engine/port.js';
import type { ProcessView } from '../../store/installations/to-send.js';
import type { RolloutRef } from '../../workflows/messages.js';

/** The engine takes 200 bytes of UTF-8 for a summary. */
const SUMMARY_BYTES = 200;

/** What people read of an installation's process in the Temporal UI beside its id. */
export function installationTitle({ installation: i, names }: ProcessView): ProcessTitle {
  const content = i.version ?? names.firmware;
  return {
    summary: cut(`${plain(names.device)}: ${i.slot} ${plain(content)}`),
    details: list({
      Device: `${plain(names.device)} (\`${i.deviceId}\`)`,
      Slot: i.slot,
      Firmware: `${plain(names.firmware)}${i.version === null ? '' : `, version ${plain(i.version)}`} (\`${i.firmwareId}\`)`,
      ...(i.rolloutId === null ? {} : { Rollout: `\`${i.rolloutId}\`` }),
      Tenant: i.tenantId,
    }),
  };
}

/** What the engine's UI shows of a rollout, as Markdown. Names of people are cut and made plain. */
export function rolloutTitle({ tenantId, rolloutId }: RolloutRef, name: string): ProcessTitle {
  return {
    summary: cut(`Rollout ${plain(name)}`),
    details: list({ Rollout: `${plain(name)} (\`${rolloutId}\`)`, Tenant: tenantId }),
  };
}

function list(members: Readonly<Record<string, string>>): string {
  return Object.entries(members)
    .map(([name, value]) => `* ${name}: ${value}`)
    .join('\n');
}

/** Names are anything, and the Temporal UI reads Markdown: a name makes no links there, and no second line. */
function plain(name: string): string {
  return name.replace(/\s+/g, ' ').replace(/[[\]<>`\\]/g, (character) => `\\${character}`);
}

/** Whole characters, so that the text stays valid. */
function cut(text: string): string {
  if (Buffer.byteLength(text) <= SUMMARY_BYTES) return text;
  let kept = '';
  for (const character of text) {
    if (Buffer.byteLength(`${kept}${character}…`) > SUMMARY_BYTES) break;
    kept += character;
  }
  return `${kept}…`;
}
