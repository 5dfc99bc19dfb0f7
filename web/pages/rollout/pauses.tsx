import type { ReactNode } from 'react';
import { Button } from '../../design/button.js';
import { Notice } from '../../design/notice.js';
import { Ago, Sentence } from '../../design/time.js';
import { inWords } from '../../design/tones.js';
import type { Rollout } from '../../service/types.js';
import { needsComment, whyNotSentence } from './commands.js';

/** Why it is paused: each reason with its own way on, because resuming ends one of them. */
export function Pauses({
  of,
  onResume,
}: {
  readonly of: Rollout;
  readonly onResume: (reason: Rollout['pauses'][number]['reason']) => void;
}): ReactNode {
  return of.pauses.map(({ reason, since, because, group }) => (
    <Notice key={reason} title={`Paused: ${inWords(reason)}${group === undefined ? '' : `, group ${group}`}`}>
      <p className="pause-because">
        <Sentence text={because} />{' '}
        <span className="quiet">
          <Ago at={since} />
        </span>
      </p>
      <Button whyNot={whyNotSentence(of.actions.resume)} onPress={() => onResume(reason)}>
        {needsComment(reason) ? 'Resume despite the gate…' : 'Resume…'}
      </Button>
    </Notice>
  ));
}
