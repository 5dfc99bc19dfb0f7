import { useState, type ReactNode } from 'react';
import { Sheet } from '../../design/page.js';
import { say } from '../../design/toast.js';
import { useWhyNot } from '../../service/queries.js';
import type { Firmware } from '../../service/types.js';
import { Drop } from '../artifacts/drop.js';
import { Bar, Leaving, SendFault, useSending } from '../artifacts/sending.js';

/** Of an artifact that was made without its file, such as over the API, or whose upload broke off. */
export function Attach({ of }: { readonly of: Firmware }): ReactNode {
  const whyNot = useWhyNot('firmware:write');
  const [file, setFile] = useState<File>();
  const { state, send, stop, isSending } = useSending();
  const begin = async (chosen: File): Promise<void> => {
    setFile(chosen);
    if (await send(of.id, chosen)) say('It is uploaded.');
  };
  return (
    <Sheet title="It waits for its file">
      <Leaving isSending={isSending} />
      <div className="stack">
        {state.is === 'failed' && file ? <SendFault error={state.error} again={() => void begin(file)} /> : null}
        {state.is === 'sending' ? (
          <Bar of={state.progress} onStop={stop} />
        ) : (
          <Drop
            label="Drop its file here, or choose it"
            hint="It is sent at once. An artifact that gets no file expires after a while."
            whyNot={whyNot}
            onFile={(chosen) => void begin(chosen)}
          />
        )}
      </div>
    </Sheet>
  );
}
