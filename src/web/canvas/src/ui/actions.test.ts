import { expect, test } from 'vitest';
import { keyCaps, keyName, resolve, type ActionGroup } from './actions';

const press = (key: string, more: Partial<KeyboardEvent> = {}) => keyName({ key, ctrlKey: false, metaKey: false, shiftKey: false, altKey: false, ...more });
const groups: ActionGroup[] = [
  { group: 'Everywhere', actions: [{ id: 'go', title: 'Go', keys: ['g i'], run: () => undefined }, { id: 'next', title: 'Next', keys: ['j'], run: () => undefined }] },
  { group: 'Here', actions: [{ id: 'graph', title: 'Graph', keys: ['g g'], run: () => undefined }, { id: 'other', title: 'Other', keys: ['j'], run: () => undefined }] },
];
const idOf = (found: ReturnType<typeof resolve>) => (found && found !== 'wait' ? found.id : found);

test('a question mark is itself on every keyboard, a capital letter is shift', () => {
  expect(press('?', { shiftKey: true })).toBe('?');
  expect(press('S', { shiftKey: true })).toBe('shift+s');
  expect(press('k', { metaKey: true })).toBe('mod+k');
  expect(press(' ')).toBe('Space');
});

test('a sequence waits, ends, and falls back to the single key', () => {
  expect(resolve(groups, '', 'g')).toBe('wait');
  expect(idOf(resolve(groups, 'g', 'i'))).toBe('go');
  expect(idOf(resolve(groups, 'g', 'g'))).toBe('graph');
  expect(idOf(resolve(groups, 'g', 'j'))).toBe('other');
  expect(resolve(groups, '', 'q')).toBe(null);
});

test('the newest group wins where keys clash', () => {
  expect(idOf(resolve(groups, '', 'j'))).toBe('other');
});

test('caps read like a keyboard', () => {
  expect(keyCaps('g i')).toEqual(['g', 'i']);
  expect(keyCaps('shift+Delete')).toEqual(['⇧⌫']);
  expect(keyCaps('+')).toEqual(['+']);
});
