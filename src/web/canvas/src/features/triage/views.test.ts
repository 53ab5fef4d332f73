import { expect, test } from 'vitest';
import { filtersOf, keepViews, readViews, shownView, withView } from './views';

const storage = () => {
  const kept = new Map<string, string>();
  return { getItem: (key: string) => kept.get(key) ?? null, setItem: (key: string, value: string) => void kept.set(key, value) };
};

test('the same filters in another order are the same view, and places are no filters', () => {
  expect(filtersOf(new URLSearchParams('service=b&severity=high&service=a&peek=1&saved=x'))).toBe(filtersOf(new URLSearchParams('service=a&service=b&severity=high')));
});

test('a view is kept by name, replaced by name, and found by its filters', () => {
  const place = storage();
  const view = { name: 'Payment', query: 'service=payment' };
  keepViews(withView(withView([], { name: 'Payment', query: 'q=x' }), view), place);
  expect(readViews(place)).toEqual([view]);
  expect(shownView([view], new URLSearchParams('service=payment'))).toEqual(view);
  expect(shownView([view], new URLSearchParams('service=cart'))).toBeNull();
});

test('a link carries its name to who has not saved it', () => {
  expect(shownView([], new URLSearchParams('service=cart&saved=Cart'))).toEqual({ name: 'Cart', query: 'service=cart' });
  expect(shownView([], new URLSearchParams('saved=Nothing'))).toBeNull();
});

test('a broken storage is an empty one', () => {
  expect(readViews({ getItem: () => '{"a":1}' })).toEqual([]);
  expect(readViews({ getItem: () => '[{"name":1},null]' })).toEqual([]);
});
