import { expect, test } from 'vitest';
import { base64Of, bytesOf, fieldAtFault, hexDump, hexText, parseHex, prettyText, textOf } from './bytes';

test('bytes show as offset, hex and what can be read', () => {
  expect(hexDump(bytesOf(btoa('finished_at": 1795442880\x00\xff')))).toBe(
    '000000  66 69 6e 69 73 68 65 64 5f 61 74 22 3a 20 31 37  finished_at": 17\n000010  39 35 34 34 32 38 38 30 00 ff                    95442880..',
  );
  expect(hexDump(new Uint8Array())).toBe('');
  expect(hexDump(new Uint8Array(64), 1)).toContain('… 48 more bytes');
});

test('what is no base64 is no bytes, what is no JSON is not made pretty', () => {
  expect(bytesOf('%%%').length).toBe(0);
  expect(prettyText('{"a":')).toBe(null);
  expect(prettyText('7')).toBe(null);
  expect(prettyText('{"a":1}')).toBe('{\n  "a": 1\n}');
});

test('the field that the reason names is found in the record, and only there', () => {
  expect(fieldAtFault('finished_at: expected a time, found a number', '{"finished_at":7}')).toBe('finished_at');
  expect(fieldAtFault('build.finished_at: expected a time', '{"finished_at":7}')).toBe('finished_at');
  expect(fieldAtFault('invalid UTF-8 at byte 2', '{"a":7}')).toBe(null);
});

test('hex is read back as it was written, and what is no hex is said', () => {
  const bytes = Uint8Array.from({ length: 40 }, (_, index) => (index * 37) % 256);
  expect(parseHex(hexText(bytes))).toEqual(bytes);
  expect(parseHex('7b 7')).toMatch(/odd number/);
  expect(parseHex('7b zz')).toMatch(/“z” is no hex digit/);
  expect(parseHex(' ')).toEqual(new Uint8Array());
});

test('bytes survive base64, and only UTF-8 is text', () => {
  const bytes = Uint8Array.from({ length: 20_000 }, (_, index) => index % 256);
  expect(bytesOf(base64Of(bytes))).toEqual(bytes);
  expect(textOf(bytes)).toBe(null);
  expect(textOf(new TextEncoder().encode('\ufeffé'))).toBe('\ufeffé');
});
