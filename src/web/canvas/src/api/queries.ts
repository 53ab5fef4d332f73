// Everything the page reads, as query options: one key and one path each.

import { infiniteQueryOptions, keepPreviousData, queryOptions } from '@tanstack/react-query';
import { ask, queryText, segment, type Query } from './client';
import type {
  Activity, Alias, Channel, ConnectorStatus, DeadLetter, DeadLetterGroup, DryRun, EventItem, Explanation, Facet, Health, Investigation, InvestigationSummary, Ledger, LetterStatus, Note, Notification, ReplayRun, SourceRecord,
  Timeline,
} from './types';

export interface PageOf<T> {
  items: T[];
  total: number;
  totalExact: boolean;
  next: string | null;
}

async function page<T>(path: string, query: Query, signal: AbortSignal): Promise<PageOf<T>> {
  const { data, headers } = await ask<T[] | { items: T[] }>(path + queryText(query), { signal });
  const items = Array.isArray(data) ? data : data.items;
  return {
    items,
    total: Number(headers.get('X-Total-Count') ?? items.length),
    totalExact: headers.get('X-Total-Count-Exact') !== 'false',
    next: headers.get('X-Next-Cursor'),
  };
}

const read = async <T>(path: string, signal: AbortSignal) => (await ask<T>(path, { signal })).data;

function pages<T>(key: readonly unknown[], path: string, query: Query) {
  return infiniteQueryOptions({
    queryKey: [...key, path, query],
    queryFn: ({ pageParam, signal }) => page<T>(path, { ...query, cursor: pageParam }, signal),
    initialPageParam: '',
    getNextPageParam: (last: PageOf<T>) => last.next,
    placeholderData: keepPreviousData,
  });
}

export const queries = {
  investigations: (query: Query) =>
    pages<InvestigationSummary>(['investigations'], '/investigations', { sort: '-started_at', per_page: 100, ...query }),
  investigationFacets: (query: Query) =>
    queryOptions({
      queryKey: ['investigations', 'facets', query],
      queryFn: ({ signal }) => read<Facet[]>(`/investigations/facets${queryText(query)}`, signal),
      placeholderData: keepPreviousData,
    }),
  investigation: (id: string) =>
    queryOptions({ queryKey: ['investigation', id], queryFn: ({ signal }) => read<Investigation>(`/investigations/${segment(id)}`, signal) }),
  notes: (id: string) =>
    queryOptions({ queryKey: ['notes', id], queryFn: ({ signal }) => read<Note[]>(`/investigations/${segment(id)}/notes`, signal) }),
  activity: (id: string) =>
    queryOptions({ queryKey: ['activity', id], queryFn: ({ signal }) => read<Activity[]>(`/investigations/${segment(id)}/activity`, signal) }),
  timeline: (id: string, from: string, to: string, stepS: number) =>
    queryOptions({
      queryKey: ['timeline', id, from, to, stepS],
      queryFn: ({ signal }) => read<Timeline>(`/investigations/${segment(id)}/timeline${queryText({ from, to, step_s: stepS })}`, signal),
      placeholderData: keepPreviousData,
    }),
  linkedEvents: (id: string, range: Query) => pages<EventItem>(['events', 'linked'], `/investigations/${segment(id)}/events`, { per_page: 50, ...range }),
  events: (query: Query) => pages<EventItem>(['events', 'list'], '/events', { sort: '-timestamp', per_page: 50, ...query }),
  eventFacets: (query: Query) =>
    queryOptions({
      queryKey: ['events', 'facets', query],
      queryFn: ({ signal }) => read<Facet[]>(`/events/facets${queryText(query)}`, signal),
      placeholderData: keepPreviousData,
    }),
  event: (id: string) =>
    queryOptions({ queryKey: ['event', id], queryFn: ({ signal }) => read<EventItem>(`/events/${segment(id)}`, signal), staleTime: 60_000 }),
  /** Its record as the broker has it now: asked for by a person, each time anew. */
  sourceRecord: (id: string) =>
    queryOptions({ queryKey: ['event', id, 'source-record'], queryFn: ({ signal }) => read<SourceRecord>(`/events/${segment(id)}/source-record`, signal), retry: false, gcTime: 0 }),
  /** Why an event is in an investigation, or is not: asked again when either changes. */
  explain: (id: string, eventId: string) =>
    queryOptions({ queryKey: ['investigation', id, 'explain', eventId], queryFn: ({ signal }) => read<Explanation>(`/investigations/${segment(id)}/explain${queryText({ event: eventId })}`, signal) }),
  notifications: (query: Query) => pages<Notification>(['notifications', 'list'], '/notifications', { per_page: 50, ...query }),
  /** Asked again while the page looks at it: a breaker changes by itself. */
  channels: () =>
    queryOptions({ queryKey: ['notifications', 'channels'], queryFn: ({ signal }) => read<Channel[]>('/notifications/channels', signal), refetchInterval: 5_000 }),
  connectors: () =>
    queryOptions({ queryKey: ['connectors'], queryFn: ({ signal }) => read<ConnectorStatus[]>('/connectors', signal), refetchInterval: 5_000 }),
  health: () => queryOptions({ queryKey: ['health'], queryFn: ({ signal }) => read<Health>('/health', signal), refetchInterval: 15_000 }),
  deadLetterGroups: () =>
    queryOptions({
      queryKey: ['dead-letters', 'groups'],
      queryFn: ({ signal }) => read<DeadLetterGroup[]>('/dead-letters/groups', signal),
    }),
  /** Asked again each second while one goes on: the live stream tells of it, the end must not be missed. */
  replayRuns: () =>
    queryOptions({
      queryKey: ['dead-letters', 'runs'],
      queryFn: ({ signal }) => read<ReplayRun[]>('/dead-letters/replays', signal),
      refetchInterval: ({ state }) => (state.data?.some(({ left }) => left > 0) ? 1_000 : false),
    }),
  dryRun: (id: string, value: object) =>
    queryOptions({
      queryKey: ['dry-run', id, value],
      queryFn: async ({ signal }) => (await ask<DryRun>(`/dead-letters/${segment(id)}/dry-run`, { method: 'POST', body: value, signal })).data,
      gcTime: 0,
      staleTime: Infinity,
      retry: false,
    }),
  aliases: () => queryOptions({ queryKey: ['aliases'], queryFn: ({ signal }) => read<Alias[]>('/aliases', signal) }),
  ledger: () => queryOptions({ queryKey: ['ledger'], queryFn: ({ signal }) => read<Ledger>('/ledger', signal), refetchInterval: 10_000 }),
  deadLetters: (fingerprint: string, status: LetterStatus) =>
    pages<DeadLetter>(['dead-letters', 'list'], '/dead-letters', { fingerprint, status, per_page: 50 }),
  deadLetter: (id: string) =>
    queryOptions({
      queryKey: ['dead-letters', 'one', id],
      queryFn: ({ signal }) => read<DeadLetter>(`/dead-letters/${segment(id)}`, signal),
      placeholderData: keepPreviousData,
    }),
};
