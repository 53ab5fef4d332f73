import { expect, test } from 'vitest';
import { begin, differs, edited, turned } from './draft';

const broken = btoa('\x00\xff{');

test('text is edited as text, other bytes as hex, and untouched they are the same bytes', () => {
  expect(begin(btoa('{"a":1}\n'))).toEqual({ mode: 'text', value: '{"a":1}\n' });
  expect(begin(btoa('a\r\n'))).toEqual({ mode: 'hex', value: '61 0d 0a' });
  expect(begin(broken)).toEqual({ mode: 'hex', value: '00 ff 7b' });
  for (const bytes of [btoa('{"a":1}\r\n'), btoa('{"a":1}\n'), broken, null]) expect(differs(begin(bytes), bytes)).toBe(false);
  expect(differs({ mode: 'hex', value: '00 fe 7b' }, broken)).toBe(true);
});

test('the writing is changed without changing a byte, and refused where it would', () => {
  const text = begin(btoa('ab'));
  expect(turned(text)).toEqual({ mode: 'hex', value: '61 62' });
  expect(turned({ mode: 'hex', value: '61 62' })).toEqual(text);
  expect(turned(begin(broken))).toMatch(/no text/);
});

test('the API is given text or base64; wrong hex is said and nothing is sent', () => {
  expect(edited({ mode: 'text', value: 'é' })).toEqual({ value_text: 'é' });
  expect(edited({ mode: 'hex', value: '00ff7b' })).toEqual({ value_base64: broken });
  expect(edited({ mode: 'hex', value: '0' })).toMatch(/odd/);
});
