/** A command line up to the cursor, as bash reads it. */
export interface Typed {
  /** Words before the one that is completed, without quotes; the first is the program. */
  readonly before: readonly string[];
  /** The word at the cursor, without quotes. */
  readonly current: string;
  /** The quote that is open at the cursor; '' = none. */
  readonly quote: '' | '"' | "'";
  /** So much of `current` stands before what bash replaces. */
  readonly kept: number;
}

/** `COMP_WORDBREAKS` of an interactive bash: it replaces what follows the last of them. */
const BREAKS = '@><=;|&(:';

/** Splits a line into words: spaces, single and double quotes, backslashes. What else bash knows is left as it is. */
export function typedIn(line: string): Typed {
  const words: string[] = [];
  let [word, quote, kept]: [string | undefined, Typed['quote'], number] = [undefined, '', 0];
  for (let at = 0; at < line.length; at += 1) {
    const letter = line.charAt(at);
    if (quote !== '' && letter === quote) quote = '';
    else if (letter === '\\' && quote !== "'") word = (word ?? '') + line.charAt((at += 1));
    else if (quote !== '') word = (word ?? '') + letter;
    else if (letter === '"' || letter === "'") {
      [word, quote] = [word ?? '', letter];
      // Within quotes bash replaces what stands behind the quote.
      kept = word.length;
    } else if (letter === ' ' || letter === '\t') {
      if (word !== undefined) words.push(word);
      [word, kept] = [undefined, 0];
    } else {
      word = (word ?? '') + letter;
      // It replaces an `@`, too: that is where the name of a host could begin.
      if (BREAKS.includes(letter)) kept = letter === '@' ? word.length - 1 : word.length;
    }
  }
  return { before: words, current: word ?? '', quote, kept };
}

/** A candidate as bash puts it into the line, in place of what stands behind `kept`. */
export function bashText(value: string, { quote, kept }: Typed): string {
  const rest = value.slice(kept);
  if (quote === "'") return rest;
  if (quote === '"') return rest.replaceAll(/["\\$`]/g, '\\$&');
  return rest.replaceAll(/[^\w@%+=:,./-]/g, '\\$&');
}
