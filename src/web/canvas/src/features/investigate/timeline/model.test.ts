import { expect, test } from 'vitest';
import type { Lane, Mark } from '../../../api/types';
import { around, asked, clusters, defaultSpan, heightShare, hitMark, isDense, nextChange, parseSpan, stepFor, ticks, zoomed, SPAN_MIN_MS } from './model';

const HOUR = 3_600_000;
const mark = (at: string, until: string | null = null) => ({ at, until }) as Mark;

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

test('the next change is strictly later, the previous strictly earlier', () => {
  const lanes = [{ lane: 'changes', marks: [mark('2026-11-23T14:00:00Z'), mark('2026-11-23T13:00:00Z')] }] as Lane[];
  expect(nextChange(lanes, Date.parse('2026-11-23T13:00:00Z'), 1)?.at).toBe('2026-11-23T14:00:00Z');
  expect(nextChange(lanes, Date.parse('2026-11-23T13:00:00Z'), -1)).toBe(null);
});

test('one error beside a million lines has a height one can see', () => {
  expect(heightShare(1, 1_000_000)).toBeGreaterThanOrEqual(0.05);
  expect(heightShare(0, 10)).toBe(0);
  expect(heightShare(10, 10)).toBe(1);
});

test('a mark is hit within twelve pixels, a build along its length', () => {
  const x = (ms: number) => ms / 1000;
  const build = mark(new Date(100_000).toISOString(), new Date(200_000).toISOString());
  const lane = { lane: 'ci' as const, marks: [build] };
  expect(hitMark({ ...lane, lane: 'logs' }, 150, 10, 10, x)).toBe(null);
  expect(hitMark(lane, 150, 10, 10, x)).toBe(build);
  expect(hitMark(lane, 213, 10, 10, x)).toBe(null);
  expect(hitMark(lane, 150, 40, 10, x)).toBe(null);
});

test('a lane is bars only when it holds far more than its marks', () => {
  const lane = { lane: 'git', bars: [{ at: '', items: 5, failing: 0 }], marks: [mark('2026-11-23T14:00:00Z')], marks_cut: false, total: 5 } as unknown as Lane;
  expect(isDense(lane)).toBe(false);
  expect(isDense({ ...lane, total: 5000 })).toBe(true);
  expect(isDense({ ...lane, lane: 'logs' })).toBe(true);
});

test('marks in one place become one with their number, and none is lost', () => {
  const found = clusters([{ x: 0 }, { x: 5 }, { x: 30 }, { x: 39 }, { x: 60 }], 10);
  expect(found.map(({ x, count }) => [x, count])).toEqual([[0, 2], [30, 2], [60, 1]]);
});
