import { useId, useState, type ReactNode } from 'react';

/** Where a file is dropped, or chosen by the keyboard or a click. */
export function Drop({
  label,
  hint,
  whyNot,
  onFile,
}: {
  readonly label: string;
  readonly hint: ReactNode;
  readonly whyNot?: string | undefined;
  readonly onFile: (file: File) => void;
}): ReactNode {
  const id = useId();
  const [over, setOver] = useState(false);
  const take = (files: FileList | null | undefined): void => {
    const file = files?.[0];
    if (file && whyNot === undefined) onFile(file);
  };
  return (
    <div
      className={`drop${over ? ' over' : ''}`}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(whyNot === undefined);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        take(event.dataTransfer.files);
      }}
    >
      <label htmlFor={id}>{label}</label>
      <input
        type="file"
        id={id}
        aria-describedby={`${id}-hint`}
        disabled={whyNot !== undefined}
        onChange={({ target }) => {
          take(target.files);
          // The same file may be chosen again.
          target.value = '';
        }}
      />
      <span className="hint" id={`${id}-hint`}>
        {whyNot ?? hint}
      </span>
    </div>
  );
}
