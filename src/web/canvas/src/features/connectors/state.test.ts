import { expect, test } from 'vitest';
import type { ConnectorStatus } from '../../api/types';
import { changed, clockSays, faceOf, mix, sentence, sorted, stageSays } from './state';

const one = (more: Partial<ConnectorStatus>) => ({ name: 'logs', state: 'running', lag_seconds: 0, lag_records: 0, because: '', rate_in: 1, ...more }) as ConnectorStatus;

test('red stands first and is never called well', () => {
  expect(sorted([one({ name: 'a' }), one({ name: 'b', state: 'open' }), one({ name: 'c', state: 'backing_off' })]).map(({ name }) => name)).toEqual(['b', 'c', 'a']);
  expect(sentence(one({ state: 'stopped' }))).toBe('Stopped.');
});

test('running but far behind is not well', () => {
  expect(faceOf(one({ lag_seconds: 60, lag_records: 9 })).word).toBe('Behind');
  expect(faceOf(one({ lag_seconds: 60, lag_records: 0 })).word).toBe('Running');
});

test('the mix holds what could not be read and is whole', () => {
  const parts = mix({ decode_mix: [{ format: 'json', records: 88 }], rejected_total: 412 });
  expect(parts.map(({ name }) => name)).toEqual(['json', 'not decoded']);
  expect(parts.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1);
  expect(mix({ decode_mix: [], rejected_total: 0 })).toEqual([]);
});

test('a topic that is missing beside one that is read is no full health', () => {
  expect(faceOf(one({ because: 'topic half.missing is not there' })).tone).toBe('medium');
});

test('the history of a breaker and a stage is told in sentences', () => {
  const change = { at: '2026-11-25T07:00:00Z', from: 'closed', to: 'open', why: 'broker under repair', by: 'ada' } as const;
  expect(changed(change)).toBe('Opened by ada: broker under repair');
  expect(changed({ ...change, to: 'half_open', why: 'its time is over', by: null })).toBe('Let a few through: its time is over');
  const stage = { name: 'detection/0', alive: true, restarts: 2, last_reason: 'stage detection/0 panicked', since: '2026-11-25T07:00:00Z' };
  expect(stageSays(stage)).toBe('built again 2 times, the last time because stage detection/0 panicked');
  expect(stageSays({ ...stage, restarts: 0, last_reason: null })).toBe('never built again');
});

test('a clock that is off and times in a wrong unit are said', () => {
  const skew = (host: string, skew_s: number) => ({ host, service: null, skew_s, samples: 20 });
  expect(clockSays({ clock_skew: [skew('pod-a', 90), skew('pod-b', -5), skew('pod-c', 0.5)], wrong_unit_total: 0 })).toEqual(["pod-a is 1 min 30 s ahead of Kafka's clock"]);
  expect(clockSays({ clock_skew: [], wrong_unit_total: 12 })).toEqual(['12 items have times in a wrong unit']);
  expect(clockSays({ clock_skew: [], wrong_unit_total: 0 })).toEqual([]);
});
