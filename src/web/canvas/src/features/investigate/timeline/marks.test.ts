import { expect, test } from 'vitest';
import type { Lane, Mark } from '../../../api/types';
import { hitMark, isDense, joined, nextChange, pickOf, placed } from './marks';

const at = (s: number) => new Date(s * 1000).toISOString();
const mark = (s: number, more: Partial<Mark> = {}): Mark => ({ event_id: `e${s}`, at: at(s), until: null, seen_at: at(s + 2), severity: 'info', source: 'ci', event_type: 'commit', title: `mark ${s}`, service: 'payment', linked: false, ...more });
const deploy = (s: number, step: string, more: Partial<Mark> = {}) => mark(s, { event_type: 'deployment', title: `Deployment of payment 9c41e07 to production: ${step}`, ...more });
const lane = (name: Lane['lane'], marks: Mark[], more: Partial<Lane> = {}): Lane => ({ lane: name, total: marks.length, bars: [], marks, marks_cut: false, ...more });
const placing = { xOf: (ms: number) => ms / 1000, width: 1000, seen: false, leading: null };

test('the steps of a deployment are one mark from its start to its end, and the linked event stands for it', () => {
  const [one, ...rest] = joined([deploy(60, 'success'), deploy(0, 'created', { linked: true }), deploy(2, 'in progress')]);
  expect(rest).toEqual([]);
  expect(one).toMatchObject({ at: at(0), until: at(60), event_id: 'e0', ids: ['e0', 'e2', 'e60'], done: true, linked: true });
});

test('a second run of the same deployment is a second mark, and one that goes on has no end yet', () => {
  const runs = joined([deploy(0, 'created'), deploy(60, 'failure'), deploy(100, 'created')]);
  expect(runs.map(({ ids, done }) => [ids.length, done])).toEqual([[2, true], [1, false]]);
});

test('a commit is a mark of its own, whatever its title', () => {
  expect(joined([mark(0, { title: 'fix: pool' }), mark(5, { title: 'fix: pool' })])).toHaveLength(2);
});

test('a lane is bars only when it holds far more than its marks', () => {
  const few = lane('git', [mark(0)], { bars: [{ at: at(0), items: 5, failing: 0 }] });
  expect(isDense(few)).toBe(false);
  expect(isDense({ ...few, total: 5000 })).toBe(true);
  expect(isDense({ ...few, lane: 'logs' })).toBe(true);
});

test('in a lane of bars only what belongs to the investigation stands out', () => {
  const logs = lane('logs', [mark(100, { severity: 'high' }), mark(200, { linked: true })], { bars: [{ at: at(0), items: 5, failing: 0 }] });
  expect(placed(logs, placing).map(({ x }) => x)).toEqual([200]);
});

test('marks in one place become one that the leading change stands for, and none is lost', () => {
  const found = placed(lane('changes', [mark(100), mark(105), mark(300)]), { ...placing, leading: 105_000 });
  expect(found.map(({ mark: { event_id }, x, all }) => [event_id, x, all.length])).toEqual([['e105', 105, 2], ['e300', 300, 1]]);
});

test('by seen time a mark stands where it was read, with its tail where it happened', () => {
  expect(placed(lane('git', [mark(100)]), { ...placing, seen: true })[0]).toMatchObject({ x: 102, tail: 100 });
});

test('a mark is hit within twelve pixels, a build along its length', () => {
  const [build] = placed(lane('ci', [mark(100, { until: at(200) })]), placing);
  const found = build ? [build] : [];
  expect(hitMark(found, 150)).toBe(build);
  expect(hitMark(found, 213)).toBe(null);
  const [commit] = placed(lane('git', [mark(100, { until: at(200) })]), placing);
  expect(hitMark(commit ? [commit] : [], 150)).toBe(null);
});

test('a click on several marks picks one after the other', () => {
  const [cluster] = placed(lane('git', [mark(100), mark(103)]), placing);
  if (!cluster) throw new Error('no cluster');
  const first = pickOf(cluster, null);
  const second = pickOf(cluster, first.event_id);
  expect(new Set([first.event_id, second.event_id])).toEqual(new Set(['e100', 'e103']));
  expect(pickOf(cluster, second.event_id).event_id).toBe(first.event_id);
});

test('the next change is strictly later, the previous strictly earlier, and a deployment is one step', () => {
  const lanes = [lane('changes', [mark(300), deploy(100, 'created'), deploy(160, 'success')])];
  expect(nextChange(lanes, 100_000, 1)?.at).toBe(at(300));
  expect(nextChange(lanes, 0, 1)?.at).toBe(at(100));
  expect(nextChange(lanes, 100_000, -1)).toBe(null);
  expect(nextChange([...lanes, lane('changes', [mark(20), mark(300)])], 100_000, -1)?.at).toBe(at(20));
});
