// A record's bytes as a person can read and write them. Pure.

/** Above this a value is not laid out as JSON: the page would stand still. */
const PRETTY_CHARS_MAX = 1_048_576;

/** Bytes of a base64 text; empty when it is none. */
export function bytesOf(base64: string | null): Uint8Array {
  try {
    return Uint8Array.from(atob(base64 ?? ''), (char) => char.charCodeAt(0));
  } catch {
    return new Uint8Array();
  }
}

export function base64Of(bytes: Uint8Array): string {
  let text = '';
  // In pieces: a call takes only so many arguments.
  for (let at = 0; at < bytes.length; at += 8_192) text += String.fromCharCode(...bytes.subarray(at, at + 8_192));
  return btoa(text);
}

/** `0097  66 69 …  finished` for each 16 bytes, at most `lines` lines. */
export function hexDump(bytes: Uint8Array, lines = 2_000): string {
  const out: string[] = [];
  for (let at = 0; at < bytes.length && out.length < lines; at += 16) {
    const part = bytes.subarray(at, at + 16);
    const hex = Array.from(part, (byte) => byte.toString(16).padStart(2, '0')).join(' ');
    const text = Array.from(part, (byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.')).join('');
    out.push(`${at.toString(16).padStart(6, '0')}  ${hex.padEnd(47)}  ${text}`);
  }
  const left = bytes.length - lines * 16;
  return left > 0 ? `${out.join('\n')}\n… ${left} more bytes` : out.join('\n');
}

/** `66 69 6e` in lines of 16, as it is edited. */
export function hexText(bytes: Uint8Array): string {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += 16) lines.push(Array.from(bytes.subarray(at, at + 16), (byte) => byte.toString(16).padStart(2, '0')).join(' '));
  return lines.join('\n');
}

/** Bytes that hex digits stand for, or what is wrong with them, for a person. */
export function parseHex(text: string): Uint8Array | string {
  const digits = text.replace(/\s+/g, '');
  const wrong = /[^0-9a-fA-F]/.exec(digits);
  if (wrong) return `“${wrong[0]}” is no hex digit: 0 to 9 and a to f are, spaces and new lines part them.`;
  if (digits.length % 2) return 'An odd number of hex digits: each byte has two.';
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

/** Text of bytes that are UTF-8; `null` when they are not. */
export function textOf(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

/** Indented JSON of a text; `null` when it is not JSON, or too long for it. */
export function prettyText(text: string | null): string | null {
  if (text === null || text.length > PRETTY_CHARS_MAX) return null;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' ? JSON.stringify(value, null, 2) : null;
  } catch {
    return null;
  }
}

/** UTF-8 as it can be read: what is broken shows as `�`. */
export const looseText = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** Names in the reason that also stand in the record: where to look. */
export function fieldAtFault(reason: string, text: string): string | null {
  const name = /^[“"'`]?([\w.@-]{2,60})[”"'`]?\s*[: ]/.exec(reason)?.[1];
  const last = name?.split('.').at(-1);
  return last && text.includes(`"${last}"`) ? last : null;
}
