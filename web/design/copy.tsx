import { type ReactNode } from 'react';
import { Icon } from './icon.js';
import { say } from './toast.js';

/** Copies a text. Over plain HTTP a browser has no clipboard for scripts: there a hidden field is copied. */
export async function copyText(text: string): Promise<void> {
  if (window.isSecureContext) return navigator.clipboard.writeText(text);
  const field = document.createElement('textarea');
  field.value = text;
  field.setAttribute('aria-hidden', 'true');
  field.className = 'hidden-text';
  // A modal dialog makes everything outside of it unselectable.
  (document.querySelector('dialog[open]') ?? document.body).append(field);
  field.select();
  document.execCommand('copy');
  field.remove();
}

/** The button that copies. @param what names it, such as "id of the device" */
export function CopyButton({ text, what }: { readonly text: string; readonly what: string }): ReactNode {
  const copy = (): void => {
    copyText(text).then(
      () => say(`Copied the ${what}.`),
      () => say(`The browser did not allow copying. The ${what} is ${text}`),
    );
  };
  return (
    <button
      type="button"
      className="icon-button"
      aria-label={`Copy the ${what}`}
      title={`Copy the ${what}`}
      onClick={copy}
    >
      <Icon name="copy" />
    </button>
  );
}
