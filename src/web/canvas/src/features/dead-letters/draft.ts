// What a person put in the place of a record's value. Kept in this browser until it is replayed or thrown away.

import { base64Of, bytesOf, hexText, parseHex, textOf } from './bytes';

export interface Draft {
  mode: 'text' | 'hex';
  value: string;
}

/** What the API takes in the place of a value. */
export type Edited = { value_text: string } | { value_base64: string };

/** Text that a text field gives back byte for byte: it makes `\r\n` into `\n`. */
const fieldText = (bytes: Uint8Array) => {
  const text = textOf(bytes);
  return text?.includes('\r') ? null : text;
};

/** Where editing begins: text where a text field keeps every byte of it, else hex. */
export function begin(base64: string | null): Draft {
  const bytes = bytesOf(base64);
  const text = fieldText(bytes);
  return text === null ? { mode: 'hex', value: hexText(bytes) } : { mode: 'text', value: text };
}

/** The same bytes in the other writing, or why they have none. */
export function turned({ mode, value }: Draft): Draft | string {
  if (mode === 'text') return { mode: 'hex', value: hexText(new TextEncoder().encode(value)) };
  const bytes = parseHex(value);
  if (typeof bytes === 'string') return bytes;
  const text = fieldText(bytes);
  return text === null ? 'These bytes are no text that a text field keeps as it is (UTF-8 without carriage returns): they can only be edited as hex.' : { mode: 'text', value: text };
}

/** As the API takes it, or what is wrong with it. */
export function edited({ mode, value }: Draft): Edited | string {
  if (mode === 'text') return { value_text: value };
  const bytes = parseHex(value);
  return typeof bytes === 'string' ? bytes : { value_base64: base64Of(bytes) };
}

/** Whether it says something else than the record does. */
export function differs(draft: Draft, base64: string | null): boolean {
  const bytes = draft.mode === 'text' ? new TextEncoder().encode(draft.value) : parseHex(draft.value);
  return typeof bytes === 'string' || base64Of(bytes) !== (base64 ?? '');
}

const KEY = 'whydunit.letter.';
/** Drafts kept at most; the oldest goes. */
const KEPT = 20;

export const drafts = {
  read(id: string): Draft | null {
    try {
      const kept = JSON.parse(localStorage.getItem(KEY + id) ?? 'null') as Partial<Draft> | null;
      return kept && (kept.mode === 'text' || kept.mode === 'hex') && typeof kept.value === 'string' ? { mode: kept.mode, value: kept.value } : null;
    } catch {
      return null;
    }
  },
  write(id: string, draft: Draft | null) {
    try {
      if (!draft) return localStorage.removeItem(KEY + id);
      const others = Object.keys(localStorage).filter((key) => key.startsWith(KEY) && key !== KEY + id);
      others.slice(0, Math.max(0, others.length - KEPT + 1)).forEach((key) => localStorage.removeItem(key));
      localStorage.setItem(KEY + id, JSON.stringify(draft));
    } catch {
      // Storage is full or switched off: the draft lives as long as the page.
    }
    return undefined;
  },
};
