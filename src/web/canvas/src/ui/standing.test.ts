import { expect, test } from 'vitest';
import type { ConnectorStatus } from '../api/types';
import { learningText, otherReasons, troubles } from './standing';

const now = Date.parse('2026-11-25T14:11:30Z');
const connector = (more: Partial<ConnectorStatus>) => ({ name: 'git', state: 'running', since: '2026-11-25T14:08:24Z', because: '', ...more }) as ConnectorStatus;

test('a source that is not read is said in words, with since when and why', () => {
  expect(troubles([connector({ state: 'open', because: 'connection refused' })], now)).toEqual([{ name: 'git', text: 'git is not read since 14:08:24, 3 min 6 s: connection refused' }]);
  expect(troubles([connector({ state: 'paused' })], now)[0]?.text).toBe('git is paused since 14:08:24, 3 min 6 s');
  expect(troubles([connector({ state: 'open', since: null })], now)[0]?.text).toBe('git is not read');
});

test('what runs, and what has only just begun to connect, is no news', () => {
  expect(troubles([connector({}), connector({ state: 'connecting', since: '2026-11-25T14:11:25Z' })], now)).toEqual([]);
  expect(troubles([connector({ state: 'connecting', because: 'connecting' })], now)[0]?.text).toBe('git is not connected yet since 14:08:24, 3 min 6 s');
});

test('what the process says of a connector is not said twice', () => {
  expect(otherReasons({ reasons: ['connector git: refused', 'disk: full, waiting.'] })).toEqual(['disk: full, waiting']);
});

test('learning is said with its end and how far that is', () => {
  expect(learningText({ learning_until: '2026-11-25T14:15:00Z', watermark: '2026-11-25T14:11:30Z' })).toMatch(/^Nothing opens before 14:15:00 UTC of event time, 3 min 30 s from now/);
  expect(learningText({ learning_until: null, watermark: null })).toBeNull();
});
