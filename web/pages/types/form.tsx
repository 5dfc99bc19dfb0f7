import { useState, type FormEvent, type ReactNode } from 'react';
import { Button } from '../../design/button.js';
import { Dialog } from '../../design/dialog.js';
import { Field } from '../../design/field.js';
import { Fault } from '../../design/notice.js';
import { useChange } from '../../service/queries.js';
import { faultAt } from '../../service/request.js';
import type { DeviceType, One } from '../../service/types.js';
import { bodyOf, firstSlot, slotFault, textsOf, type SlotLine, type Texts } from './texts.js';

/** Makes a device type, or changes one: what differs is sent, and nothing else. */
export function TypeForm({
  of,
  onClose,
  onDone,
}: {
  /** Absent = a new one. */
  readonly of?: DeviceType;
  readonly onClose: () => void;
  readonly onDone: (type: DeviceType) => void;
}): ReactNode {
  const [texts, setTexts] = useState<Texts>(() => textsOf(of));
  const save = useChange<One<DeviceType>>(
    () =>
      of
        ? { path: `/v1/device-types/${of.id}`, method: 'PATCH', body: bodyOf(texts, of) }
        : { path: '/v1/device-types', method: 'POST', body: bodyOf(texts, undefined) },
    ['device types', 'associations'],
  );
  const missing = texts.name.trim() === '' ? 'Give the type a name.' : slotFault(texts.slots);
  const field = (name: Exclude<keyof Texts, 'slots'>) => ({
    value: texts[name],
    fault: faultAt(save.error, `/${name}`),
    onChange: ({ target }: { readonly target: HTMLInputElement }) => setTexts({ ...texts, [name]: target.value }),
  });
  return (
    <Dialog title={of ? `Change ${of.name}` : 'A new device type'} onClose={onClose}>
      <form
        className="stack"
        onSubmit={(event: FormEvent) => {
          event.preventDefault();
          if (missing === undefined && !save.isPending)
            save.mutate(undefined, { onSuccess: ({ data }) => onDone(data) });
        }}
      >
        <Field label="Name" autoFocus {...field('name')} />
        <div className="columns">
          <Field label="Manufacturer" {...field('manufacturer')} />
          <Field label="Model" {...field('model')} />
        </div>
        <Field label="Description" {...field('description')} />
        <Field
          label="Longest silence in seconds"
          hint="A device that is silent for longer counts as silent. Empty: it is not watched."
          inputMode="numeric"
          {...field('communicationInterval')}
        />
        <SlotLines lines={texts.slots} onLines={(slots) => setTexts({ ...texts, slots })} />
        {save.error ? <Fault error={save.error} /> : null}
        <div className="row">
          <Button look="first" type="submit" whyNot={missing} busy={save.isPending}>
            {of ? 'Save' : 'Make the type'}
          </Button>
          <Button onPress={onClose}>Close</Button>
        </div>
      </form>
    </Dialog>
  );
}

function SlotLines({
  lines,
  onLines,
}: {
  readonly lines: readonly SlotLine[];
  readonly onLines: (lines: readonly SlotLine[]) => void;
}): ReactNode {
  const set = (at: number, change: Partial<SlotLine>): void =>
    onLines(lines.map((line, index) => (index === at ? { ...line, ...change } : line)));
  return (
    <fieldset className="plain-set stack tight">
      <legend>Slots: parts of a device that hold a version of their own</legend>
      {lines.map(({ key, slot, name, isThere }, index) => (
        <div key={key} className="slot-line">
          <Field
            label={`Slot ${index + 1}`}
            value={slot}
            readOnly={isThere}
            spellCheck={false}
            onChange={({ target }) => set(index, { slot: target.value })}
          />
          <Field
            label={`Name of slot ${index + 1}`}
            value={name}
            onChange={({ target }) => set(index, { name: target.value })}
          />
          <Button onPress={() => onLines(lines.filter((line) => line.key !== key))}>
            Remove<span className="hidden-text"> slot {index + 1}</span>
          </Button>
        </div>
      ))}
      <div>
        <Button onPress={() => onLines([...lines, firstSlot(lines)])}>Add a slot</Button>
      </div>
    </fieldset>
  );
}
