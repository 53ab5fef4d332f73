import { expect, test } from 'vitest';
import { duration, initials, score, shortCount, shortTime, value } from './format';

test('durations have at most two units and no empty ones', () => {
  expect([0, 186_000, 60_000, 4_380_000, 86_400_000 * 2 + 3_600_000 * 4].map(duration)).toEqual(['0 s', '3 min 6 s', '1 min', '1 h 13 min', '2 d 4 h']);
});

test('times say the day only when it is another day', () => {
  const now = Date.parse('2026-11-23T14:11:30Z');
  expect(shortTime('2026-11-23T14:02:10Z', now)).toBe('14:02');
  expect(shortTime('2026-11-19T22:17:00Z', now)).toBe('Thu 22:17');
  expect(shortTime('2025-11-19T22:17:00Z', now)).toBe('19 Nov 2025 22:17');
  expect(shortTime('nonsense', now)).toBe('–');
});

test('numbers stay short at every size', () => {
  expect([0, 412, 9_999, 11_402, 999_999, 4_000_000].map(shortCount)).toEqual(['0', '412', '10.0 k', '11.4 k', '1.0 M', '4.0 M']);
  expect([0, -1e-13].map(value)).toEqual(['0', '0']);
  expect([0.0213, 5.1, 31.04, 212, 15_203].map(value)).toEqual(['0.021', '5.10', '31.0', '212', '15.2 k']);
  expect([0.871, 0.999, 1, 0, -0.2].map(score)).toEqual(['.87', '1.0', '1.0', '.00', '.00']);
});

test('initials come from any alphabet and from none', () => {
  expect(['K. Ito', 'm.silva@shop', 'whydunit', 'Жанна', '', '…'].map(initials)).toEqual(['KI', 'MS', 'W', 'Ж', '?', '?']);
});
