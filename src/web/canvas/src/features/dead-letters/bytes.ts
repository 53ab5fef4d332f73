// A record's bytes as a person can read them. Pure.

/** Bytes of a base64 text; empty when it is none. */
export function bytesOf(base64: string | null): Uint8Array {
  try {
    return Uint8Array.from(atob(base64 ?? ''), (char) => char.charCodeAt(0));
  } catch {
    return new Uint8Array();
  }
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

/** Indented JSON of a text; `null` when it is not JSON. */
export function prettyText(text: string | null): string | null {
  if (text === null) return null;
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
