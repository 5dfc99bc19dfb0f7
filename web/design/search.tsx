import { useEffect, useState, type ReactNode } from 'react';
import { Field } from './field.js';

/** After the last key: long enough to finish a word. */
const SETTLE_MS = 400;

/** A part of a name, or another text, by which a list is filtered while one types. */
export function Search({
  label,
  hint,
  value,
  onSearch,
}: {
  readonly label: string;
  readonly hint?: string;
  readonly value: string;
  readonly onSearch: (value: string) => void;
}): ReactNode {
  const [text, setText] = useState(value);
  const [applied, setApplied] = useState(value);
  // The way back changed it.
  if (applied !== value) {
    setApplied(value);
    setText(value);
  }
  useEffect(() => {
    if (text.trim() === value) return;
    const timer = setTimeout(() => onSearch(text.trim()), SETTLE_MS);
    return () => clearTimeout(timer);
  }, [text, value, onSearch]);
  return (
    <Field
      label={label}
      {...(hint === undefined ? {} : { hint })}
      type="search"
      autoComplete="off"
      spellCheck={false}
      value={text}
      onChange={({ target }) => setText(target.value)}
    />
  );
}
