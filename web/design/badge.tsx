import type { ReactNode } from 'react';
import type { State } from '../../domain/installation/states.js';
import type { Phase } from '../../domain/rollout/phase.js';
import { Icon } from './icon.js';
import { inWords, PHASE_TONES, STATE_TONES, type Tone } from './tones.js';

/** A word with its sign and its colour. */
export function Badge({ tone, children }: { readonly tone: Tone; readonly children: ReactNode }): ReactNode {
  return (
    <span className={`badge ${tone}`}>
      <Icon name={tone} />
      {children}
    </span>
  );
}

/** The state of an installation. */
export function StateBadge({ state }: { readonly state: State }): ReactNode {
  return <Badge tone={STATE_TONES[state]}>{inWords(state)}</Badge>;
}

/** The phase of a rollout. */
export function PhaseBadge({ phase }: { readonly phase: Phase }): ReactNode {
  return <Badge tone={PHASE_TONES[phase]}>{inWords(phase)}</Badge>;
}

/** Whether a device is connected. */
export function OnlineBadge({ online }: { readonly online: boolean }): ReactNode {
  return <Badge tone={online ? 'ok' : 'mute'}>{online ? 'online' : 'offline'}</Badge>;
}
