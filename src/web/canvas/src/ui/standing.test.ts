import { expect, test } from 'vitest';
import type { ConnectorStatus } from '../api/types';
import { learningText, listed, nextStep, otherReasons, troubles } from './standing';

const now = Date.parse('2026-11-25T14:11:30Z');
const connector = (more: Partial<ConnectorStatus>) => ({ name: 'git', state: 'running', since: '2026-11-25T14:08:24Z', because: '', breaker: { state: 'closed', failures: 0, opened_at: null, retry_at: null }, ...more }) as ConnectorStatus;

const said = (...connectors: ConnectorStatus[]) => troubles(connectors, now).map(({ names, text }) => listed(names) + text);

test('a source that is not read is said in words, with since when and why', () => {
  expect(said(connector({ state: 'open', because: 'connection refused' }))).toEqual(['git is not read since 14:08:24, 3 min 6 s: connection refused; tried again by itself']);
  expect(said(connector({ state: 'paused' }))).toEqual(['git is paused since 14:08:24, 3 min 6 s; goes on when somebody resumes it']);
  expect(said(connector({ state: 'paused', since: '2026-11-23T14:08:24Z' }))).toEqual(['git is paused since Mon 14:08, 2 d; goes on when somebody resumes it']);
  expect(said(connector({ state: 'open', since: null }))).toEqual(['git is not read; tried again by itself']);
});

test('sources that are not read for one reason are one sentence, with its first clause and the longest time', () => {
  const because = 'no broker of `kafka:9092` can be reached: Connect failed: refused';
  const found = [connector({ state: 'backing_off', because }), connector({ name: 'ci', state: 'backing_off', because, since: '2026-11-25T14:11:20Z' }), connector({ name: 'logs', state: 'backing_off', because }), connector({ name: 'manual', state: 'paused' })];
  expect(said(...found)).toEqual(['git, ci and logs are not read since 14:08:24, 3 min 6 s: no broker of `kafka:9092` can be reached; trying again by itself', 'manual is paused since 14:08:24, 3 min 6 s; goes on when somebody resumes it']);
  expect(troubles(found, now)[0]?.why).toBe(because);
});

test('what runs, and what has only just begun to connect, is no news', () => {
  expect(said(connector({}), connector({ state: 'connecting', since: '2026-11-25T14:11:25Z' }), connector({ state: 'connecting', since: null }))).toEqual([]);
  expect(said(connector({ state: 'connecting', because: 'connecting' }))).toEqual(['git is not connected yet since 14:08:24, 3 min 6 s; trying by itself']);
});

test('what the process says of a connector is not said twice', () => {
  expect(otherReasons({ reasons: ['connector git: refused', 'disk: full, waiting.'] }, now)).toEqual(['disk: full, waiting']);
  expect(otherReasons({ reasons: ['store: disk full; tried again (since 2026-11-25T14:11:20.320Z)'] }, now)).toEqual(['store: disk full; tried again, since 14:11:20, 10 s']);
});

test('learning is said with its end and how far that is', () => {
  expect(learningText({ learning_until: '2026-11-25T14:15:00Z', watermark: '2026-11-25T14:11:30Z' })).toMatch(/^Nothing opens before 14:15:00 UTC of event time, 3 min 30 s from now/);
  expect(learningText({ learning_until: null, watermark: null })).toBeNull();
});

test('what happens next is said with its time, and of several the soonest', () => {
  const retry = (retry_at: string | null) => ({ state: 'open' as const, failures: 5, history: [], opened_at: null, retry_at });
  expect(nextStep(connector({ state: 'open', breaker: retry('2026-11-25T14:12:12Z') }), now)).toBe('next try in 42 s');
  expect(nextStep(connector({ state: 'backing_off', breaker: retry('2026-11-25T14:11:29Z') }), now)).toBe('next try now');
  expect(nextStep(connector({ state: 'running' }), now)).toBe('');
  const group = ['2026-11-25T14:12:30Z', '2026-11-25T14:11:45Z', null].map((at, index) => connector({ name: `c${index}`, state: 'open', because: 'refused', breaker: retry(at) }));
  expect(said(...group)[0]).toMatch(/refused; next try in 15 s$/);
});
