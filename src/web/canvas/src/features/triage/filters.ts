// What the list shows: kept in the URL, asked of the API. Pure.

import type { Query } from '../../api/client';
import type { InvestigationSummary, Status } from '../../api/types';

export const FACETS = [
  { field: 'severity', title: 'Severity' },
  { field: 'status', title: 'Status' },
  { field: 'priority', title: 'Priority' },
  { field: 'service', title: 'Service' },
  { field: 'assigned_to', title: 'Assigned to' },
  { field: 'environment', title: 'Environment' },
  { field: 'tag', title: 'Tag' },
] as const;

export type FacetField = (typeof FACETS)[number]['field'];
export type View = 'all' | 'active' | 'mine';

export const viewOf = (params: URLSearchParams): View => {
  const view = params.get('view');
  return view === 'active' || view === 'mine' ? view : 'all';
};

const ACTIVE: readonly Status[] = ['open', 'in_progress'];
const DONE: readonly Status[] = ['resolved', 'closed'];

/** The filters as the API wants them, without the status. */
export function filterQuery(params: URLSearchParams, me: string): Query {
  const query: Record<string, string | readonly string[]> = {};
  for (const { field } of FACETS) {
    if (field !== 'status') query[field] = params.getAll(field);
  }
  if (viewOf(params) === 'mine') query.assigned_to = [me];
  query.q = (params.get('q') ?? '').trim();
  return query;
}

/** The statuses to ask for in each half of the list; `null` where that half is not shown. */
export function halves(params: URLSearchParams): { active: readonly string[] | null; done: readonly string[] | null } {
  const wanted = params.getAll('status');
  const pick = (half: readonly Status[]) => {
    const statuses = wanted.length ? half.filter((status) => wanted.includes(status)) : half;
    return statuses.length ? statuses : null;
  };
  return { active: pick(ACTIVE), done: viewOf(params) === 'active' ? null : pick(DONE) };
}

export type ListItem =
  | { type: 'group'; key: string; title: string; count: number; more: boolean }
  | { type: 'row'; key: string; row: InvestigationSummary };

/** Active first, then what recovered by itself and waits for a person, then what people closed. */
export function listItems(
  active: readonly InvestigationSummary[], done: readonly InvestigationSummary[], more: { active: boolean; done: boolean }, folded: ReadonlySet<string>,
): ListItem[] {
  const groups = [
    { key: 'active', title: 'Active', rows: active.filter((row) => !row.recovered_at), more: more.active },
    { key: 'recovered', title: 'Recovered by themselves', rows: active.filter((row) => row.recovered_at), more: more.active },
    { key: 'resolved', title: 'Resolved by people', rows: done, more: more.done },
  ];
  return groups.filter(({ rows }) => rows.length).flatMap(({ key, title, rows, more: hasMore }) => [
    { type: 'group' as const, key, title, count: rows.length, more: hasMore },
    ...(folded.has(key) ? [] : rows.map((row) => ({ type: 'row' as const, key: row.id, row }))),
  ]);
}

/** How long it has lasted, or had lasted when it ended, ms. */
export function lastedMs(row: Pick<InvestigationSummary, 'started_at' | 'recovered_at' | 'resolved_at' | 'closed_at'>, now: number): number {
  const end = row.recovered_at ?? row.resolved_at ?? row.closed_at;
  return Math.max(0, (end ? Date.parse(end) : now) - Date.parse(row.started_at));
}
