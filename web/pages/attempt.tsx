import type { ReactNode } from 'react';
import type { State } from '../../domain/installation/states.js';
import type { Installation } from '../service/types.js';

/** The steps of an attempt, each with the states in which it is the present one. */
const STEPS: readonly { readonly words: string; readonly while: readonly State[] }[] = [
  { words: 'Waits for its turn', while: ['scheduled', 'queued'] },
  { words: 'Offered', while: ['delivered', 'deferred'] },
  { words: 'Downloading', while: ['accepted', 'downloading'] },
  { words: 'Downloaded', while: ['downloaded'] },
  { words: 'Installing', while: ['installing'] },
  { words: 'Rebooting', while: ['rebooting'] },
  { words: 'Confirming', while: ['confirming'] },
  { words: 'Installed', while: [] },
];

/** An attempt as steps: where it is, and how far the download is. */
export function Attempt({ of }: { readonly of: Installation }): ReactNode {
  const now = of.state === 'installed' ? STEPS.length : STEPS.findIndex((step) => step.while.includes(of.state));
  return (
    <ol className="attempt">
      {STEPS.map(({ words }, index) => {
        const at = index < now ? 'done' : index === now ? 'now' : 'later';
        return (
          <li key={words} data-at={at} aria-current={at === 'now' ? 'step' : undefined}>
            {words}
            <span className="hidden-text">{at === 'done' ? ': done' : at === 'now' ? ': now' : ''}</span>
            {at === 'now' && of.progress && (of.state === 'downloading' || of.state === 'installing') ? (
              <Progress of={of.progress} />
            ) : null}
          </li>
        );
      })}
    </ol>
  );
}

function Progress({ of }: { readonly of: NonNullable<Installation['progress']> }): ReactNode {
  const percent = of.total > 0 ? Math.floor((100 * of.bytes) / of.total) : 0;
  return (
    <span className="small">
      <progress value={of.bytes} max={Math.max(of.total, 1)} aria-label="Bytes of the download" />
      {printBytes(of.bytes)} of {printBytes(of.total)}, {percent} %
    </span>
  );
}

/** Decimal units, as operators and networks count. @param bytes 0 or more */
export function printBytes(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`;
  if (bytes < 1_000_000) return `${(bytes / 1_000).toFixed(1)} kB`;
  return `${(bytes / 1_000_000).toFixed(1)} MB`;
}
