import { expect, test } from 'vitest';
import type { Signal } from '../../../api/types';
import { chartSpan, meanWithin, moved, movement, nameOf } from './moved';

const point = { at: '2026-11-23T14:00:00Z', value: 1 };
const signal = (service: string, key: string, surprise: number, points = 2) => ({ service: { environment: 'prod', service }, key, surprise, series: Array(points).fill(point), unit: 's', sentence: 'moved', facts: { hits_before: 0, cases_before: 0, hits_now: 0, cases_now: 0, value_before: null, value_now: null } }) as unknown as Signal;

test('one picture a key, strongest first, the asked service before all', () => {
  const all = [signal('a', 'x', 5), signal('a', 'x', 9), signal('b', 'y', 7), signal('c', 'z', 99, 1)];
  expect(moved(all, null).map(({ surprise }) => surprise)).toEqual([7, 5]);
  expect(moved(all, 'a').map(({ key }) => key)).toEqual(['x', 'y']);
});

test('a movement is said from values, else shares, else the sentence', () => {
  const base = signal('a', 'x', 5);
  expect(movement({ ...base, facts: { ...base.facts, value_before: 0.002, value_now: 3 } })).toBe('0.002 → 3 s');
  expect(movement({ ...base, facts: { ...base.facts, hits_before: 2, cases_before: 1000, hits_now: 186, cases_now: 1000 } })).toBe('0.2 % → 18.6 % of 1,000');
  expect(movement(base)).toBe('moved');
});

test('a key that names its service is not said twice', () => {
  expect(nameOf(signal('payment', 'payment/Charge', 1))).toBe('payment/Charge');
  expect(nameOf(signal('payment', 'pool in use', 1))).toBe('pool in use, payment');
});

test('charts show the part of the view that has points, with onset and change, and the view itself when it has none', () => {
  const at = (s: number) => new Date(s * 1000).toISOString();
  const series = [{ at: at(500), value: 1 }, { at: at(700), value: 3 }];
  const view = { from: 0, to: 1_000_000 };
  expect(chartSpan([{ series }], view, [400_000, null])).toEqual({ from: 388_000, to: 712_000 });
  expect(chartSpan([{ series }], { from: 0, to: 100_000 }, [400_000])).toEqual({ from: 0, to: 100_000 });
  expect(meanWithin({ series }, { from: 0, to: 600_000 })).toBe(1);
  expect(meanWithin({ series }, view)).toBe(2);
  expect(meanWithin({ series }, { from: 0, to: 1 })).toBe(null);
});
