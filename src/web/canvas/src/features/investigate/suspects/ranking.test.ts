import { expect, test } from 'vitest';
import type { Signal, Suspect } from '../../../api/types';
import { proofOf, strongest, suspectGroups } from './ranking';

const suspect = (id: string, kind: Suspect['kind'], score: number, rank = 1) => ({ id, kind, score, rank, evidence: [], event_id: null, service: null }) as unknown as Suspect;
const ids = (suspects: Suspect[]) => suspectGroups(suspects).map(({ suspects: list }) => list.map(({ id }) => id));

test('a change that outranks "nothing" stands on top', () => {
  expect(ids([suspect('s', 'service', 0.9), suspect('c', 'change', 0.8), suspect('none', 'none', 0.1)])).toEqual([['c', 'none'], ['s']]);
});

test('where no change explains it, the service stands on top and "nothing" before the weak changes', () => {
  expect(ids([suspect('c', 'change', 0.1), suspect('none', 'none', 0.6), suspect('s', 'service', 0.9)])).toEqual([['s'], ['none', 'c']]);
});

test('no suspects make no groups', () => expect(suspectGroups([])).toEqual([]));

test('the strongest evidence names an event', () => {
  const evidence = [{ sentence: 'a', event_ids: [], surprise: 90 }, { sentence: 'b', event_ids: ['e'], surprise: null }, { sentence: 'c', event_ids: ['f'], surprise: 3 }];
  expect(strongest({ evidence })?.sentence).toBe('c');
  expect(strongest({ evidence: [] })).toBe(null);
});

test('proof without any evidence still shows the onset', () => {
  const started_at = '2026-11-23T14:02:10Z';
  expect(proofOf(suspect('none', 'none', 0.5), { started_at, signals: [] as Signal[] })).toMatchObject({ eventId: null, service: null, from: Date.parse(started_at) - 40_000 });
});
