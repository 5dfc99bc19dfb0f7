import { styleText } from 'node:util';
import { parseDuration } from '../../domain/duration.js';

type Style = Parameters<typeof styleText>[0];

/** Whether this stream shows colours: a terminal, unless `NO_COLOR` is set (https://no-color.org). */
export function isColourful(stream: { isTTY?: boolean }, env: NodeJS.ProcessEnv): boolean {
  return stream.isTTY === true && !env['NO_COLOR'] && env['TERM'] !== 'dumb';
}

/** The text in a colour, or as it is. */
export function styled(style: Style, text: string, isOn: boolean): string {
  return isOn ? styleText(style, text) : text;
}

/** 1,234,567 → `1.2 MB`. */
export function sizeText(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const power = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, bytes)) / 3)));
  return `${power === 0 ? bytes : (bytes / 1000 ** power).toFixed(1)} ${units[power]}`;
}

/** Milliseconds → `2 min 5 s`; two units at most. */
export function spanText(ms: number): string {
  const seconds = Math.round(ms / 1000);
  const units = [
    ['d', 86_400],
    ['h', 3_600],
    ['min', 60],
    ['s', 1],
  ] as const;
  const first = units.findIndex(([, length]) => seconds >= length);
  if (first < 0) return '0 s';
  let left = seconds;
  return units
    .slice(first, first + 2)
    .flatMap(([name, length]) => {
      const count = Math.floor(left / length);
      left -= count * length;
      return count === 0 ? [] : [`${count} ${name}`];
    })
    .join(' ');
}

/** Cuts text for a terminal's width. */
export function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`;
}

/** `PT1H30M`, or `90s`, `5m`, `2h`, `1d` → milliseconds. @returns undefined where it is neither */
export function parseSpan(text: string): number | undefined {
  const short = /^(\d+)(ms|s|m|min|h|d)$/.exec(text);
  const unit = { ms: 1, s: 1_000, m: 60_000, min: 60_000, h: 3_600_000, d: 86_400_000 };
  if (short) return Number(short[1]) * unit[short[2] as keyof typeof unit];
  return parseDuration(text);
}
