import { useBlocker } from '@tanstack/react-router';
import { useEffect, useRef, useState, type ReactNode } from 'react';
import { Button } from '../../design/button.js';
import { printBytes } from '../../design/bytes.js';
import { printSpan } from '../../design/clock.js';
import { Dialog } from '../../design/dialog.js';
import { Fault, Notice } from '../../design/notice.js';
import { refresh } from '../../service/queries.js';
import { Refused } from '../../service/request.js';
import { upload, type Progress } from '../../service/upload.js';

/** What is sent, and how far. `failed`: the artifact is still there, and takes the same file again. */
export type Sending =
  | { readonly is: 'idle' }
  | { readonly is: 'sending'; readonly progress: Progress }
  | { readonly is: 'failed'; readonly error: Error };

/** Sends a file as the blob of an artifact. Leaving the page ends the upload; `Leaving` asks before. */
export function useSending() {
  const [state, setState] = useState<Sending>({ is: 'idle' });
  const running = useRef<AbortController>(undefined);
  useEffect(() => () => running.current?.abort(), []);
  return {
    state,
    /** Whether one is under way at this moment, also before the page is drawn again. */
    isSending: () => running.current !== undefined,
    stop: () => running.current?.abort(),
    /** @returns whether it has arrived */
    send: async (firmwareId: string, file: Blob): Promise<boolean> => {
      const controller = new AbortController();
      running.current = controller;
      setState({ is: 'sending', progress: { sent: 0, total: file.size } });
      try {
        const show = (progress: Progress): void => setState({ is: 'sending', progress });
        await upload(`/v1/firmwares/${firmwareId}/blob`, file, show, controller.signal);
        setState({ is: 'idle' });
        return true;
      } catch (error) {
        if (!(error instanceof Error)) throw error;
        setState(error.name === 'AbortError' ? { is: 'idle' } : { is: 'failed', error });
        return false;
      } finally {
        running.current = undefined;
        void refresh(['firmwares', `firmware:${firmwareId}`]);
      }
    },
  };
}

/** How far it is, how fast, and how long it takes. */
export function Bar({ of, onStop }: { readonly of: Progress; readonly onStop: () => void }): ReactNode {
  const { sent, total, rate } = of;
  const isThere = sent >= total;
  return (
    <div className="stack tight">
      <progress className="sent" value={sent} max={total} aria-label="Uploaded" />
      <div className="row spread">
        <span>
          {printBytes(sent)} of {printBytes(total)}
          {isThere || rate === undefined ? '' : `, ${printBytes(rate)}/s`}
          {isThere || rate === undefined || rate === 0 ? '' : `, ${printSpan(((total - sent) / rate) * 1_000)} left`}
        </span>
        <Button onPress={onStop}>Stop</Button>
      </div>
      <span className="hint" role="status">
        {isThere ? 'All is sent. The service works out its SHA-256 and keeps it.' : ''}
      </span>
    </div>
  );
}

/** Why an upload failed, and whether the same file can be sent again. */
export function SendFault({ error, again }: { readonly error: Error; readonly again: () => void }): ReactNode {
  if (!(error instanceof Refused) || error.status !== 0) return <Fault error={error} again={again} />;
  return (
    <Notice title="The upload broke off" bad>
      <p>The connection ended before all had arrived. Nothing was kept; the file is still chosen.</p>
      <Button onPress={again}>Send it again</Button>
    </Notice>
  );
}

/** Asks before one leaves the page while a file is on its way. */
export function Leaving({ isSending }: { readonly isSending: () => boolean }): ReactNode {
  const blocker = useBlocker({
    // A filter or a tab of the same page ends nothing.
    shouldBlockFn: ({ current, next }) => isSending() && current.pathname !== next.pathname,
    enableBeforeUnload: isSending,
    withResolver: true,
  });
  if (blocker.status !== 'blocked') return null;
  return (
    <Dialog title="A file is on its way" onClose={blocker.reset}>
      <p>The upload ends when you leave this page, and nothing of it is kept.</p>
      <div className="row">
        <Button look="first" onPress={blocker.reset}>
          Stay here
        </Button>
        <Button look="danger" onPress={blocker.proceed}>
          Leave, and end the upload
        </Button>
      </div>
    </Dialog>
  );
}
