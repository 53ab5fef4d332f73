import { expect, test } from 'vitest';
import type { DeadLetter, DeadLetterGroup, ReplayRun } from '../../api/types';
import { chosen, concerns, itemLine, lastTime, progress, share, told } from './runs';

const at = '2026-11-23T14:00:00Z';
const now = Date.parse(at) + 10_000;
const run = (more: Partial<ReplayRun>): ReplayRun => ({ id: 1, at, who: 'ana', letter_id: null, fingerprint: null, connector: null, edited: false, letters: 100, left: 0, replayed: 0, failed: 0, ...more });
const group = { fingerprint: 'f', connector: 'ci', error_message: 'not JSON' } as DeadLetterGroup;

test('what goes on is told, and of what ended only the newest, while it is news', () => {
  const [going, ended, older] = [run({ id: 3, left: 1 }), run({ id: 2 }), run({ id: 1 })];
  expect(told([going, ended, older], now)).toEqual([going]);
  expect(told([ended, older], now)).toEqual([ended]);
  expect(told([ended], now + 3_600_000)).toEqual([]);
});

test('progress says what is done, what came of it and how long the rest takes', () => {
  expect(progress(run({ left: 75, replayed: 20, failed: 5 }), now)).toBe('25 of 100 done: 20 read, 5 failed again and wait. About 30 s left.');
  expect(progress(run({ left: 100 }), now)).toBe('0 of 100 done.');
  expect(progress(run({ replayed: 99, failed: 1 }), now)).toBe('Done: 99 read, 1 failed again and waits.');
  expect(share(run({ left: 75 }))).toBe(0.25);
});

test('a run is named by what was chosen, and is shown at the groups that it holds', () => {
  expect(chosen(run({ fingerprint: 'f' }), [group])).toBe('100 letters: not JSON');
  expect(chosen(run({ fingerprint: 'gone' }), [group])).toBe('100 letters of one group');
  expect(chosen(run({ letter_id: 'l', letters: 1, edited: true }), [])).toBe('one letter, edited');
  expect(chosen(run({ connector: 'ci' }), [])).toBe('100 letters of ci');
  expect([run({ fingerprint: 'f' }), run({ connector: 'ci' }), run({}), run({ connector: 'logs' }), run({ fingerprint: 'g' }), run({ letter_id: 'l' })].map((one) => concerns(one, group))).toEqual([true, true, true, false, false, false]);
});

test('a letter says what happened to it last time', () => {
  const letter = (more: Partial<DeadLetter>) => lastTime({ status: 'waiting', replay_count: 0, items_read: 0, discard_reason: null, last_failed_at: at, error_message: 'not JSON', ...more });
  expect(letter({})).toBe('Never replayed.');
  expect(letter({ replay_count: 2 })).toBe('Replayed 2 times; at 14:00:00 it failed again: not JSON.');
  expect(letter({ status: 'replayed', replay_count: 1, items_read: 3 })).toBe('Replayed once, 3 items read.');
  expect(letter({ status: 'discarded', discard_reason: 'sent by a test' })).toBe('Discarded: sent by a test.');
});

test('an item of a dry run is one line, whatever it is', () => {
  expect(itemLine({ kind: 'event', event: { event_type: 'build_finished', title: 'Build 7', service: 'cart', timestamp: at } })).toBe('14:00:00 build finished of cart: Build 7');
  expect(itemLine({ kind: 'metric', metric: 'pool.used', value: 8, service: 'cart', timestamp: at })).toBe('14:00:00 metric of cart: pool.used = 8');
  expect(itemLine({ kind: 'span', operation: 'Charge', service: null, timestamp: at })).toBe('14:00:00 span: Charge');
});
