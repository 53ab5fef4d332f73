import { expect, test } from 'vitest';
import type { InvestigationSummary } from '../../api/types';
import { filterQuery, halves, lastedMs, listItems } from './filters';

const row = (id: string, more: Partial<InvestigationSummary> = {}) => ({ id, started_at: '2026-11-23T14:00:00Z', recovered_at: null, resolved_at: null, closed_at: null, ...more }) as InvestigationSummary;

test('a status filter empties the half it does not name', () => {
  expect(halves(new URLSearchParams('status=open'))).toEqual({ active: ['open'], done: null });
  expect(halves(new URLSearchParams('status=closed'))).toEqual({ active: null, done: ['closed'] });
  expect(halves(new URLSearchParams('view=active'))).toEqual({ active: ['open', 'in_progress'], done: null });
});

test('"mine" asks for me whatever the facet says', () => {
  expect(filterQuery(new URLSearchParams('view=mine&assigned_to=other&q=+pool+'), 'K. Ito')).toMatchObject({ assigned_to: ['K. Ito'], q: 'pool' });
});

test('what recovered by itself stands apart, and a folded group keeps its head', () => {
  const items = listItems([row('a'), row('b', { recovered_at: '2026-11-23T14:05:00Z' })], [row('c')], { active: false, done: true }, new Set(['recovered']));
  expect(items.map(({ key }) => key)).toEqual(['active', 'a', 'recovered', 'resolved', 'c']);
});

test('an incident lasts until it recovered, not until it was closed', () => {
  expect(lastedMs(row('a', { recovered_at: '2026-11-23T14:04:00Z', closed_at: '2026-11-23T18:00:00Z' }), 0)).toBe(240_000);
  expect(lastedMs(row('a'), Date.parse('2026-11-23T14:09:00Z'))).toBe(540_000);
});
