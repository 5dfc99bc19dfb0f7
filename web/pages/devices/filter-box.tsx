import { useEffect, useId, useRef, useState, type ReactNode } from 'react';
import { faultOf } from './filter-words.js';

/** After the last key: long enough to finish a word. */
const SETTLE_MS = 400;

/** The filter as text. Its fault is marked at its position while one types; what parses is applied by itself. */
export function FilterBox({
  filter,
  onFilter,
}: {
  readonly filter: string;
  readonly onFilter: (filter: string) => void;
}): ReactNode {
  const [text, setText] = useState(filter);
  const [applied, setApplied] = useState(filter);
  const id = useId();
  const input = useRef<HTMLInputElement>(null);
  // The way back, or a facet, changed it.
  if (applied !== filter) {
    setApplied(filter);
    setText(filter);
  }
  const fault = faultOf(text);
  useEffect(() => {
    if (text === filter || faultOf(text)) return;
    const timer = setTimeout(() => onFilter(text.trim()), SETTLE_MS);
    return () => clearTimeout(timer);
  }, [text, filter, onFilter]);
  return (
    <form
      role="search"
      className="filter"
      onSubmit={(event) => {
        event.preventDefault();
        if (!fault) return onFilter(text.trim());
        input.current?.focus();
        input.current?.setSelectionRange(fault.position, text.length);
      }}
    >
      <label htmlFor={id}>Filter</label>
      <input
        ref={input}
        id={id}
        className="input mono"
        spellCheck={false}
        autoComplete="off"
        placeholder={'online==true;slot.firmware.version=lt=1.5.0'}
        value={text}
        aria-invalid={fault ? true : undefined}
        aria-describedby={`${id}-said`}
        onChange={({ target }) => setText(target.value)}
      />
      <div id={`${id}-said`} className="filter-said" role="status">
        {fault ? (
          <>
            <code className="fault-place">
              {text.slice(0, fault.position)}
              <mark>{text.slice(fault.position, fault.position + 1) || ' '}</mark>
              {text.slice(fault.position + 1)}
            </code>
            <span className="fault">
              At position {fault.position + 1}: {fault.message}
            </span>
          </>
        ) : (
          <span className="hint">
            Fields: name, online, deviceType, tag, site, custom.…, slot.….version. <code>;</code> is and, <code>,</code>{' '}
            is or, <code>*</code> stands for any characters.
          </span>
        )}
      </div>
    </form>
  );
}
