// The engine's sentences as text with its numbers, names and hashes set apart.

import { Fragment, type ReactNode } from 'react';

export interface Highlight {
  text: string;
  render: (text: string) => ReactNode;
}

const PATTERN = /(\b(?=[0-9a-f]*[0-9])(?=[0-9a-f]*[a-f])[0-9a-f]{6,40}\b)|(\d(?:[\d,.]*\d)?(?:\s?%)?(?:\s(?:of|→)\s\d(?:[\d,.]*\d)?(?:\s?%)?)*)/g;

/** Splits at the first place of each highlight; the rest keeps its order. */
export function splitBy(text: string, highlights: readonly Highlight[]): (string | { text: string; render: Highlight['render'] })[] {
  let parts: (string | { text: string; render: Highlight['render'] })[] = [text];
  for (const { text: wanted, render } of highlights) {
    if (!wanted) continue;
    const at = parts.findIndex((part) => typeof part === 'string' && findWord(part, wanted) >= 0);
    const part = parts[at];
    if (typeof part !== 'string') continue;
    const from = findWord(part, wanted);
    const found = part.slice(from, from + wanted.length);
    parts = [...parts.slice(0, at), part.slice(0, from), { text: found, render }, part.slice(from + wanted.length), ...parts.slice(at + 1)];
  }
  return parts.filter((part) => part !== '');
}

/** Place of `word` in `text` with no letter or digit beside it, in any case; −1 when it is not there. */
function findWord(text: string, word: string): number {
  const low = text.toLowerCase();
  const wanted = word.toLowerCase();
  for (let from = low.indexOf(wanted); from >= 0; from = low.indexOf(wanted, from + 1)) {
    const clear = (char: string | undefined) => !char || !/[\p{L}\p{N}_]/u.test(char);
    if (clear(low[from - 1]) && clear(low[from + wanted.length])) return from;
  }
  return -1;
}

/** Shares, parts of a whole, movements and large counts: the numbers that carry a proof. */
const TELLING = /%| of | → |,\d{3}|\d{4}/;

/** Telling numbers bold where `bold`, commit hashes in the mono face. */
export function Numbers({ text: given, bold = true }: { text: string; bold?: boolean }) {
  // `8.00 {request}`: the unit's annotation, as people say it.
  const text = given.replace(/(\d) \{([a-z]+)\}/g, (_, digit: string, name: string) => `${digit} ${name}${name.endsWith('s') ? '' : 's'}`);
  const out: ReactNode[] = [];
  let last = 0;
  for (const match of text.matchAll(PATTERN)) {
    out.push(text.slice(last, match.index));
    const found = match[0];
    out.push(match[1] ? <span key={match.index} className="mono">{found}</span> : bold && TELLING.test(found) ? <b key={match.index}>{found}</b> : found);
    last = match.index + found.length;
  }
  out.push(text.slice(last));
  return <>{out}</>;
}

export function RichSentence({ text, highlights = [], bold = true }: { text: string; highlights?: readonly Highlight[]; bold?: boolean }) {
  return <>{splitBy(text, highlights).map((part, index) => <Fragment key={index}>{typeof part === 'string' ? <Numbers text={part} bold={bold} /> : part.render(part.text)}</Fragment>)}</>;
}
