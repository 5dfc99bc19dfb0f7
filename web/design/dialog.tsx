import { useEffect, useId, useRef, type ReactNode } from 'react';

/** A modal question. The browser keeps the focus in it and gives it back; Escape closes it where it may be closed. */
export function Dialog({
  title,
  onClose,
  children,
}: {
  readonly title: string;
  /** Absent = it cannot be closed without an answer. */
  readonly onClose?: () => void;
  readonly children: ReactNode;
}): ReactNode {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const dialog = ref.current;
    if (dialog && !dialog.open) dialog.showModal();
    return () => dialog?.close();
  }, []);
  return (
    <dialog
      ref={ref}
      className="dialog"
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        onClose?.();
      }}
    >
      <div className="stack">
        <h2 id={id}>{title}</h2>
        {children}
      </div>
    </dialog>
  );
}
