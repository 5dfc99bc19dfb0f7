import { useNavigate } from '@tanstack/react-router';
import { useState, type FormEvent, type ReactNode } from 'react';
import { Button } from '../../design/button.js';
import { printBytes } from '../../design/bytes.js';
import { Field } from '../../design/field.js';
import { Fault } from '../../design/notice.js';
import { Sheet } from '../../design/page.js';
import { say } from '../../design/toast.js';
import { useChange, useWhyNot } from '../../service/queries.js';
import { faultAt } from '../../service/request.js';
import type { Firmware, One } from '../../service/types.js';
import { Drop } from './drop.js';
import { namedBy } from './naming.js';
import { Bar, Leaving, SendFault, useSending } from './sending.js';

const NO_TEXTS = { name: '', version: '', description: '', sha256: '' };
type Texts = typeof NO_TEXTS;

/** A file becomes an artifact: it is named, made, and sent; then its own page opens. */
export function Add(): ReactNode {
  const navigate = useNavigate();
  const whyNot = useWhyNot('firmware:write');
  const [file, setFile] = useState<File>();
  const [texts, setTexts] = useState<Texts>(NO_TEXTS);
  const [made, setMade] = useState<string>();
  const sending = useSending();
  const create = useChange<One<Firmware>>(
    () => ({
      path: '/v1/firmwares',
      method: 'POST',
      body: {
        ...Object.fromEntries(Object.entries(texts).filter(([, text]) => text.trim() !== '')),
        name: texts.name.trim(),
        ...(file ? { size: file.size } : {}),
      },
    }),
    ['firmwares'],
  );
  const remove = useChange<void, string>((id) => ({ path: `/v1/firmwares/${id}`, method: 'DELETE' }), ['firmwares']);
  const { state } = sending;
  // Once it is made, its name is fixed: metadata of an artifact do not change.
  const isFixed = made !== undefined;
  const isBusy = state.is === 'sending' || create.isPending;

  const send = async (id: string, of: File): Promise<void> => {
    if (!(await sending.send(id, of))) return;
    say('It is uploaded.');
    await navigate({ to: `/artifacts/${id}` });
  };
  const start = (of: File): void => {
    if (made !== undefined) return void send(made, of);
    create.mutate(undefined, {
      onSuccess: ({ data }) => {
        setMade(data.id);
        void send(data.id, of);
      },
    });
  };
  const begin = (next: File): void => {
    setFile(next);
    setTexts({ ...NO_TEXTS, ...namedBy(next.name) });
    create.reset();
  };
  const drop = (): void => {
    sending.stop();
    if (made !== undefined) remove.mutate(made);
    setMade(undefined);
    setFile(undefined);
  };
  const set =
    (name: keyof Texts) =>
    ({ target }: { readonly target: HTMLInputElement }): void =>
      setTexts({ ...texts, [name]: target.value });
  const field = (name: keyof Texts) => ({
    value: texts[name],
    readOnly: isFixed || isBusy,
    fault: faultAt(create.error, `/${name}`),
    onChange: set(name),
  });
  const missing = texts.name.trim() === '' ? 'Give it a name.' : file?.size === 0 ? 'The file is empty.' : undefined;

  return (
    <Sheet title="Upload a file">
      <Leaving isSending={sending.isSending} />
      {file === undefined ? (
        <Drop
          label="Drop a file here, or choose one"
          hint="Any kind: an image, an archive, a bundle. The service works out its SHA-256 and keeps the same bytes once."
          whyNot={whyNot}
          onFile={begin}
        />
      ) : (
        <form
          className="stack"
          onSubmit={(event: FormEvent) => {
            event.preventDefault();
            if (missing === undefined && !isBusy) start(file);
          }}
        >
          <p>
            <strong>{file.name}</strong> <span className="quiet">{printBytes(file.size)}</span>
          </p>
          <div className="columns">
            <Field label="Name" autoFocus {...field('name')} />
            <Field
              label="Version"
              hint="As devices report it. Versions are compared: a device never goes back by itself."
              {...field('version')}
            />
            <Field label="Description" {...field('description')} />
            <Field
              label="SHA-256, if you know it"
              hint="Other bytes are then refused."
              spellCheck={false}
              {...field('sha256')}
            />
          </div>
          {create.error ? <Fault error={create.error} /> : null}
          {state.is === 'failed' ? <SendFault error={state.error} again={() => start(file)} /> : null}
          {state.is === 'sending' ? (
            <Bar of={state.progress} onStop={drop} />
          ) : (
            <div className="row">
              <Button look="first" type="submit" whyNot={whyNot ?? missing} busy={isBusy}>
                Upload
              </Button>
              <Button onPress={drop}>Take another file</Button>
            </div>
          )}
        </form>
      )}
    </Sheet>
  );
}
