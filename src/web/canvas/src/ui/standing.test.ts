import { expect, test } from 'vitest';
import type { ConnectorStatus } from '../api/types';
import { learningText, listed, otherReasons, troubles } from './standing';

const now = Date.parse('2026-11-25T14:11:30Z');
const connector = (more: Partial<ConnectorStatus>) => ({ name: 'git', state: 'running', since: '2026-11-25T14:08:24Z', because: '', ...more }) as ConnectorStatus;

const said = (...connectors: ConnectorStatus[]) => troubles(connectors, now).map(({ names, text }) => listed(names) + text);

test('a source that is not read is said in words, with since when and why', () => {
  expect(said(connector({ state: 'open', because: 'connection refused' }))).toEqual(['git is not read since 14:08:24, 3 min 6 s: connection refused']);
  expect(said(connector({ state: 'paused' }))).toEqual(['git is paused since 14:08:24, 3 min 6 s']);
  expect(said(connector({ state: 'paused', since: '2026-11-23T14:08:24Z' }))).toEqual(['git is paused since Mon 14:08, 2 d']);
  expect(said(connector({ state: 'open', since: null }))).toEqual(['git is not read']);
});

test('sources that are not read for one reason are one sentence, with its first clause and the longest time', () => {
  const because = 'no broker of `kafka:9092` can be reached: Connect failed: refused';
  const found = [connector({ state: 'backing_off', because }), connector({ name: 'ci', state: 'backing_off', because, since: '2026-11-25T14:11:20Z' }), connector({ name: 'logs', state: 'backing_off', because }), connector({ name: 'manual', state: 'paused' })];
  expect(said(...found)).toEqual(['git, ci and logs are not read since 14:08:24, 3 min 6 s, trying again: no broker of `kafka:9092` can be reached', 'manual is paused since 14:08:24, 3 min 6 s']);
  expect(troubles(found, now)[0]?.why).toBe(because);
});

test('what runs, and what has only just begun to connect, is no news', () => {
  expect(said(connector({}), connector({ state: 'connecting', since: '2026-11-25T14:11:25Z' }), connector({ state: 'connecting', since: null }))).toEqual([]);
  expect(said(connector({ state: 'connecting', because: 'connecting' }))).toEqual(['git is not connected yet since 14:08:24, 3 min 6 s']);
});

test('what the process says of a connector is not said twice', () => {
  expect(otherReasons({ reasons: ['connector git: refused', 'disk: full, waiting.'] })).toEqual(['disk: full, waiting']);
});

test('learning is said with its end and how far that is', () => {
  expect(learningText({ learning_until: '2026-11-25T14:15:00Z', watermark: '2026-11-25T14:11:30Z' })).toMatch(/^Nothing opens before 14:15:00 UTC of event time, 3 min 30 s from now/);
  expect(learningText({ learning_until: null, watermark: null })).toBeNull();
});
