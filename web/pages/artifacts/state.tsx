import type { ReactNode } from 'react';
import { Badge } from '../../design/badge.js';
import type { Tone } from '../../design/tones.js';
import type { Firmware } from '../../service/types.js';

type State = Firmware['state'];

const TONES = { draft: 'warn', ready: 'ok', expired: 'bad', retired: 'mute' } as const satisfies Record<State, Tone>;
const WORDS: Readonly<Record<State, string>> = {
  draft: 'waits for its file',
  ready: 'ready',
  expired: 'expired',
  retired: 'deleted',
};

/** Whether an artifact can be installed. */
export function ArtifactBadge({ state }: { readonly state: State }): ReactNode {
  return <Badge tone={TONES[state]}>{WORDS[state]}</Badge>;
}

/** What an artifact is called, with its version. */
export function artifactWords({ name, version }: Pick<Firmware, 'name' | 'version'>): string {
  return version === null || version === '' ? name : `${name} ${version}`;
}
