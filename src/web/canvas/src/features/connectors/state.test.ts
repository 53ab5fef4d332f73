import { expect, test } from 'vitest';
import type { ConnectorStatus } from '../../api/types';
import { faceOf, mix, sentence, sorted } from './state';

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
