import { expect, test } from 'vitest';
import { keepDraft, readDraft } from './draft';

function memory() {
  const kept = new Map<string, string>();
  return { getItem: (key: string) => kept.get(key) ?? null, setItem: (key: string, value: string) => void kept.set(key, value), removeItem: (key: string) => void kept.delete(key) };
}

test('a draft is there again after the page is gone, and only for its investigation', () => {
  const storage = memory();
  keepDraft('a', { body: 'rolling back', at: '2026-11-23T14:09:30Z', event_id: null }, storage);
  expect(readDraft('a', storage)).toEqual({ body: 'rolling back', at: '2026-11-23T14:09:30Z', event_id: null });
  expect(readDraft('b', storage)).toBe(null);
  keepDraft('a', null, storage);
  expect(readDraft('a', storage)).toBe(null);
});

test('a damaged draft is no draft, and a full store says so', () => {
  expect(readDraft('a', { getItem: () => '{"body":' })).toBe(null);
  expect(readDraft('a', { getItem: () => '{"body":7}' })).toBe(null);
  expect(keepDraft('a', { body: 'x', at: null, event_id: null }, { setItem: () => { throw new Error('full'); }, removeItem: () => undefined })).toBe(false);
});
