import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { useVirtualizer } from '@tanstack/react-virtual';
import { Search } from 'lucide-react';
import { useEffect, useRef, useState } from 'react';
import { queries } from '../../api/queries';
import type { EventItem } from '../../api/types';
import { useActions } from '../../ui/actions';
import { EventFields } from '../../ui/EventFields';
import { clock, count, exactClock, shortTime, words } from '../../ui/format';
import { useEventNow } from '../../api/live';
import { Hint, Kbd } from '../../ui/Kbd';
import { SeverityLabel, SourceIcon } from '../../ui/marks';
import { PageTop } from '../../ui/PageTop';
import { Standing } from '../../ui/Standing';
import { Empty, Failed, GhostRows } from '../../ui/states';
import { useUrl, type UrlPatch } from '../../ui/url';
import './events.css';

const FACETS = [['source', 'Source'], ['severity', 'Severity'], ['event_type', 'Type'], ['service', 'Service'], ['environment', 'Environment']] as const;

/** Everything that happened, searchable. */
export default function Events() {
  const [params, patch] = useUrl();
  const search = useRef<HTMLInputElement>(null);
  const now = useEventNow();
  const filters = Object.fromEntries(FACETS.map(([field]) => [field === 'event_type' ? 'type' : field, params.getAll(field)]));
  const range = rangeOf(params);
  const query = { ...filters, q: (params.get('q') ?? '').trim(), from: range?.from, to: range?.to, trace_id: params.get('trace_id') };
  const list = useInfiniteQuery(queries.events(query));
  const facets = useQuery(queries.eventFacets(query));
  const rows = list.data?.pages.flatMap((page) => page.items) ?? [];
  const first = list.data?.pages[0];
  const current = rows.find(({ id }) => id === params.get('event')) ?? null;
  const at = current ? rows.indexOf(current) : -1;
  const move = (by: number) => patch({ event: rows[Math.max(0, Math.min(rows.length - 1, at + by))]?.id });
  useActions('Events', [
    { id: 'next', title: 'Next', keys: ['j', 'ArrowDown'], quiet: true, run: () => move(1) },
    { id: 'previous', title: 'Previous', keys: ['k', 'ArrowUp'], quiet: true, run: () => move(-1) },
    { id: 'search', title: 'Search events', keys: ['/'], run: () => search.current?.focus() },
    { id: 'close', title: 'Close the event', keys: ['Escape'], quiet: true, run: () => patch({ event: null }) },
  ]);
  const filtered = FACETS.some(([field]) => params.has(field)) || params.has('q') || params.has('from') || params.has('trace_id');
  return (
    <main id="main" className="page events">
      <PageTop title="Events">{first && <span className="dim mid">{count(first.total)}{first.totalExact ? '' : ' or more'}</span>}</PageTop>
      <div className="bar">
        <SearchBox inputRef={search} inUrl={params.get('q') ?? ''} patch={patch} />
        {range && <button type="button" className="token" title="Any time" onClick={() => patch({ from: null, to: null })}>{shortTime(range.from, now, true)}–{clock(range.to)} ×</button>}
        {params.get('trace_id') && <button type="button" className="token" title="Any trace" onClick={() => patch({ trace_id: null })}>trace:<b className="trunc">{params.get('trace_id')}</b> ×</button>}
        {filtered && <button type="button" className="btn ghost" onClick={() => patch(Object.fromEntries([...FACETS.map(([field]) => field), 'q', 'from', 'to', 'trace_id'].map((key) => [key, null])))}>Clear</button>}
        <span className="row end wide" style={{ gap: 10 }}><Hint text="move" keys={['j', 'k']} /></span>
      </div>
      <div><Standing />{list.error && <Failed error={list.error} what="The events" shownSince={rows.length ? list.dataUpdatedAt : undefined} retry={() => void list.refetch()} />}</div>
      <div className={`events-body ${current ? 'open' : ''}`}>
        <aside className="events-facets" aria-label="Filters" tabIndex={0}>
          {FACETS.map(([field, title]) => {
            const chosen = params.getAll(field);
            const values = facets.data?.find((facet) => facet.field === field || facet.field === title.toLowerCase())?.values.filter(({ value }) => value).slice(0, 8) ?? [];
            if (!values.length && !chosen.length) return null;
            return (
              <fieldset key={field}><legend className="label">{title}</legend>
                {[...values, ...chosen.filter((value) => !values.some((one) => one.value === value)).map((value) => ({ value, count: 0 }))].map(({ value, count: n }) => (
                  <label key={value}><input type="checkbox" className="check" checked={chosen.includes(value)} onChange={(event) => patch({ [field]: event.target.checked ? [...chosen, value] : chosen.filter((one) => one !== value) })} /><span className="grow trunc" title={value}>{field === 'source' && value === 'ci' ? 'CI' : field === 'service' || field === 'environment' ? value : words(value)}</span><span className="dim">{count(n)}</span></label>
                ))}
              </fieldset>
            );
          })}
        </aside>
        <section className="pane" aria-label="List">
          {list.isPending && !list.error ? <GhostRows /> : rows.length ? <Rows rows={rows} current={current?.id ?? null} choose={(id) => patch({ event: id })} more={() => void (list.hasNextPage && !list.isFetchingNextPage && list.fetchNextPage())} />
            : !list.error && <Empty title={filtered ? 'Nothing matches' : 'Nothing has been read yet'} center><span>{filtered ? 'Fewer filters show more.' : 'Events appear here as the connectors read.'}</span></Empty>}
        </section>
        {current && <aside className="pane events-detail" aria-label="Event" tabIndex={0}><div className="pane-head"><h2>Event</h2><span className="end"><button type="button" className="btn ghost small" onClick={() => patch({ event: null })}>Close <Kbd keys="Escape" /></button></span></div><div style={{ overflow: 'auto' }}><EventFields event={current} /></div></aside>}
      </div>
    </main>
  );
}

/** The time of the address, where it makes sense. */
function rangeOf(params: URLSearchParams): { from: string; to: string } | null {
  const [from, to] = [Date.parse(params.get('from') ?? ''), Date.parse(params.get('to') ?? '')];
  return from < to ? { from: new Date(from).toISOString(), to: new Date(to).toISOString() } : null;
}

function SearchBox({ inputRef, inUrl, patch }: { inputRef: React.RefObject<HTMLInputElement | null>; inUrl: string; patch: (change: UrlPatch) => void }) {
  const [text, setText] = useState(inUrl);
  useEffect(() => setText(inUrl), [inUrl]);
  useEffect(() => {
    if (text === inUrl) return undefined;
    const timer = setTimeout(() => patch({ q: text }), 200);
    return () => clearTimeout(timer);
  }, [text, inUrl, patch]);
  return <label className="search grow" style={{ maxWidth: 520 }}><Search size={14} aria-hidden="true" /><input ref={inputRef} type="search" aria-label="Search events" placeholder="words, service, trace" maxLength={200} value={text} onChange={(event) => setText(event.target.value)} onKeyDown={(event) => event.key === 'Escape' && event.currentTarget.blur()} /><Kbd keys="/" /></label>;
}

function Rows({ rows, current, choose, more }: { rows: readonly EventItem[]; current: string | null; choose: (id: string) => void; more: () => void }) {
  const scroller = useRef<HTMLDivElement>(null);
  const now = useEventNow();
  const virtual = useVirtualizer({ count: rows.length, getScrollElement: () => scroller.current, estimateSize: () => 36, overscan: 15, getItemKey: (index) => rows[index]?.id ?? index });
  const shown = virtual.getVirtualItems();
  const last = shown.at(-1)?.index ?? 0;
  useEffect(() => {
    if (last >= rows.length - 12) more();
  }, [last, rows.length, more]);
  const at = rows.findIndex(({ id }) => id === current);
  useEffect(() => {
    if (at >= 0) virtual.scrollToIndex(at);
  // Only another choice scrolls.
  // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [current]);
  return (
    <div ref={scroller} className="events-list" tabIndex={0} role="region" aria-label="Events">
      <ul style={{ height: virtual.getTotalSize(), position: 'relative' }}>
        {shown.map(({ index, start, key }) => {
          const row = rows[index];
          return row && (
            <li key={key} style={{ position: 'absolute', top: 0, left: 0, right: 0, transform: `translateY(${start}px)` }}>
              <button type="button" className="event-row" aria-current={row.id === current ? 'true' : undefined} onClick={() => choose(row.id)}>
                <span className="dim" title={exactClock(row.timestamp)}>{shortTime(row.timestamp, now, true)}</span><SourceIcon source={row.source} size={14} /><SeverityLabel severity={row.severity} />
                <span className="trunc" title={row.title}>{row.title}</span><span className="trunc sec mid" title={row.service ?? undefined}>{row.service ?? '–'}</span><span className="trunc dim mid">{words(row.event_type)}</span><span className="dim event-count">{row.count > 1 ? `× ${count(row.count)}` : ''}</span>
              </button>
            </li>
          );
        })}
      </ul>
    </div>
  );
}
