import { expect, test } from 'vitest';
import type { Suspect } from '../../../api/types';
import { around, asked, defaultSpan, heightShare, leadingChange, parseSpan, stepFor, ticks, zoomed, SPAN_MIN_MS } from './model';

const HOUR = 3_600_000;

test('a closer view asks for finer buckets, never finer than the store has', () => {
  expect(stepFor({ from: 0, to: HOUR / 2 }, 800)).toBe(30);
  expect(stepFor({ from: 0, to: 24 * HOUR }, 800)).toBe(1800);
  expect(stepFor({ from: 0, to: 1000 }, 800)).toBe(15);
});

test('a small move of the view asks the same of the server', () => {
  expect(asked({ from: 1000, to: HOUR }, 15)).toEqual(asked({ from: 3000, to: HOUR - 2000 }, 15));
});

test('the first view holds what came before the onset, also of a long incident', () => {
  const span = defaultSpan(null, '2026-11-23T14:00:00Z', '2026-11-25T14:00:00Z');
  expect(span.from).toBeLessThan(Date.parse('2026-11-23T13:45:01Z'));
  const fresh = { started_at: '2026-11-23T14:00:00Z', updated_at: '2026-11-23T14:01:00Z' };
  expect(defaultSpan(fresh, '', '').from).toBe(Date.parse('2026-11-23T13:53:00Z'));
  expect(defaultSpan(fresh, '', '', Date.parse('2026-11-23T13:40:00Z')).from).toBe(Date.parse('2026-11-23T13:35:00Z'));
  expect(span.to).toBeGreaterThan(Date.parse('2026-11-23T14:00:00Z'));
  expect(defaultSpan(null, '2026-11-23T14:00:00Z', '2026-11-23T13:00:00Z').to).toBeGreaterThan(Date.parse('2026-11-23T14:00:00Z'));
});

test('zooming keeps what is under the pointer and stops at the limits', () => {
  const span = zoomed({ from: 0, to: 100_000 }, 0.5, 25_000);
  expect(span).toEqual({ from: 12_500, to: 62_500 });
  const closest = zoomed({ from: 0, to: 100_000 }, 1e-9, 0);
  expect(closest.to - closest.from).toBe(SPAN_MIN_MS);
});

test('a span from an address that makes no sense is no span', () => {
  expect(parseSpan('x', '2026-11-23T14:00:00Z')).toBe(null);
  expect(parseSpan('2026-11-23T14:00:00Z', '2026-11-23T13:00:00Z')).toBe(null);
});

test('the view moves only when it must', () => {
  const span = { from: 0, to: 1000 };
  expect(around(span, 500)).toBe(span);
  expect(around(span, 5000)).toEqual({ from: 4500, to: 5500 });
});

test('ticks stand at round times, in order and inside', () => {
  const found = ticks({ from: 0, to: HOUR }, 800);
  expect(found.map(({ text }) => text).slice(0, 3)).toEqual(['00:00', '00:05', '00:10']);
  expect(ticks({ from: 0, to: 40 * 24 * HOUR }, 800).length).toBeLessThan(13);
  expect(found.every(({ at }) => at >= 0 && at <= HOUR)).toBe(true);
});

test('one error beside a million lines has a height one can see', () => {
  expect(heightShare(1, 1_000_000)).toBeGreaterThanOrEqual(0.05);
  expect(heightShare(0, 10)).toBe(0);
  expect(heightShare(10, 10)).toBe(1);
});

test('a change leads when it outranks nothing, when a person confirmed it, or when one looks at it', () => {
  const suspect = (id: string, kind: Suspect['kind'], score: number, verdict: Suspect['verdict'] = 'suspect') => ({ id, kind, score, verdict, at: '2026-11-23T14:00:00Z' }) as Suspect;
  const [weak, nothing, strong] = [suspect('weak', 'change', 0.05), suspect('none', 'none', 0.15), suspect('strong', 'change', 0.6)];
  expect(leadingChange([nothing, weak], nothing)).toBe(null);
  expect(leadingChange([nothing, weak], weak)).toBe(weak);
  expect(leadingChange([strong, nothing, weak], null)).toBe(strong);
  expect(leadingChange([{ ...strong, verdict: 'refuted' }, nothing, weak], null)).toBe(null);
  expect(leadingChange([nothing, { ...weak, verdict: 'confirmed' }], null)?.id).toBe('weak');
});
