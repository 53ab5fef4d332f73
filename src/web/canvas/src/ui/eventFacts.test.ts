import { expect, test } from 'vitest';
import { eventFacts } from './eventFacts';

test('a deployment says who, what and which lines; what has no field stays', () => {
  const { fields, more, diff, rest } = eventFacts({ event_type: 'deployment', data: { author: 'K. Ito', version: '3.8.0', message: 'Pool', description: 'payment 3.8.0: Pool', files: ['a.yaml'], files_total: 1, diff: '-40\n+8', step: 'created', odd: 1, none: null } });
  expect(fields).toEqual([['By', 'K. Ito'], ['Message', 'Pool'], ['Version', '3.8.0']]);
  expect(more).toEqual([['File', 'a.yaml']]);
  expect(diff).toBe('-40\n+8');
  expect(rest).toEqual({ odd: 1 });
});

test('what was found says what was usual and what is now, with shares', () => {
  const { fields } = eventFacts({ event_type: 'failing_calls', data: { detector: 'failures', key: 'payment/Charge', surprise: 39.9, window_s: 60, message: null, facts: { hits_before: 0, cases_before: 793.3, hits_now: 38, cases_now: 100, value_before: null, value_now: null, threshold: null, z: null } } });
  expect(fields).toEqual([['What', 'payment/Charge'], ['Usual', '0 of 793, 0 %'], ['Now', '38 of 100, 38 %'], ['Surprise', 'S 39.9: one in 10^40 by chance'], ['Window', '1 min']]);
});

test('a metric says its values and how far that is from usual', () => {
  const { fields } = eventFacts({ event_type: 'metric_anomaly', data: { detector: 'metric', key: 'pool', surprise: 6, window_s: 30, facts: { hits_now: 0, cases_now: 0, cases_before: 0, hits_before: 0, value_before: 0, value_now: 8, z: 10 } } });
  expect(fields.map(([name, text]) => `${name} ${text}`)).toEqual(['What pool', 'Usual 0', 'Now 8', 'Deviation 10 times the usual one', 'Surprise S 6: one in 10^6 by chance', 'Window 30 s']);
});

test('folded lines keep their message, their stack and where they stand to the byte', () => {
  const { exemplars, fields } = eventFacts({ event_type: 'error_burst', data: { template: 'a <*>', exemplars: [{ message: 'a 1', host: 'n1', timestamp: '2026-11-25T02:30:46.5Z', stack: 'x\n\ty', position: { topic: 't', partition: 0, offset: 7 } }, 'bare', { odd: true }] } });
  expect(fields).toEqual([['Pattern', 'a <*>']]);
  expect(exemplars).toEqual([{ message: 'a 1', where: 'n1 · 02:30:46 · t / 0 / 7', stack: 'x\n\ty' }, { message: 'bare', where: '', stack: null }, { message: '{"odd":true}', where: '', stack: null }]);
});

test('data of no known kind is shown as it came', () => {
  expect(eventFacts({ event_type: 'note', data: { text: 'x' } })).toEqual({ fields: [], more: [], diff: null, exemplars: [], rest: { text: 'x' } });
  expect(eventFacts({ event_type: 'note', data: null as never }).rest).toEqual({});
});
