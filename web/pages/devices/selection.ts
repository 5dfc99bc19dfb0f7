/** Which rows are selected: some by their ids, or all that match, loaded or not. */
export type Selection = { readonly all: true } | { readonly all: false; readonly ids: ReadonlySet<string> };

/** No row. */
export const NONE: Selection = { all: false, ids: new Set() };

/** With one row more or less. Out of "all that match" no single row is taken: a filter says that better. */
export function toggled(selection: Selection, id: string): Selection {
  if (selection.all) return NONE;
  const ids = new Set(selection.ids);
  if (!ids.delete(id)) ids.add(id);
  return { all: false, ids };
}

/** Whether a row is selected. */
export function isSelected(selection: Selection, id: string): boolean {
  return selection.all || selection.ids.has(id);
}
