import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { Search } from 'lucide-react';
import { useEffect, useMemo, useRef, useState } from 'react';
import { useLocation } from 'wouter';
import { identity } from '../../api/client';
import { useEventNow } from '../../api/live';
import { queries } from '../../api/queries';
import { useActions } from '../../ui/actions';
import { Hint, Kbd } from '../../ui/Kbd';
import { PageTop } from '../../ui/PageTop';
import { Standing } from '../../ui/Standing';
import { Empty, Failed, GhostRows } from '../../ui/states';
import { useUrl } from '../../ui/url';
import { BulkBar, type BulkMenu } from './BulkBar';
import { Facets } from './Facets';
import { FACETS, filterQuery, halves, listItems, viewOf, type View } from './filters';
import { List } from './List';
import { NewDialog } from './NewDialog';
import { NothingFound } from './NothingFound';
import { Peek } from './Peek';
import { SaveViewDialog, ViewTabs } from './SavedViews';
import './triage.css';
import { useBulk } from './useBulk';
import { useSelection } from './useSelection';
import { useViews } from './useViews';

const VIEWS: readonly { view: View; title: string }[] = [{ view: 'all', title: 'All' }, { view: 'active', title: 'Active' }, { view: 'mine', title: 'Mine' }];
/** Active ones are read whole, so that their groups are right; this bounds it. */
const ACTIVE_PAGES = 5;

/** What is wrong now, what was, and who has it. */
export function Triage() {
  const [params, patch] = useUrl();
  const [, go] = useLocation();
  const now = useEventNow();
  const search = useRef<HTMLInputElement>(null);
  const [folded, setFolded] = useState<ReadonlySet<string>>(new Set());
  const [menu, setMenu] = useState<BulkMenu>(null);
  const [fresh, setFresh] = useState(false);
  const [saving, setSaving] = useState(false);
  const saved = useViews(params, patch);
  const data = useRows(params);
  const items = useMemo(() => listItems(data.activeRows, data.doneRows, data.more, folded), [data, folded]);
  const rows = useMemo(() => items.flatMap((item) => (item.type === 'row' ? [item.row] : [])), [items]);
  const ids = useMemo(() => rows.map(({ id }) => id), [rows]);
  const { cursor, selected, move, toggle, clear } = useSelection(ids);
  const bulk = useBulk(() => {
    clear();
    setMenu(null);
  });
  const targets = rows.filter(({ id }) => (selected.size ? selected.has(id) : id === cursor));
  const withSelection = (next: BulkMenu) => {
    if (!selected.size && cursor) toggle(cursor);
    setMenu(next);
  };
  const open = (id: string | null) => id && go(`/investigations/${id}`);
  const peeked = params.has('peek') ? (rows.find(({ id }) => id === cursor) ?? null) : null;
  const peek = (on: boolean) => patch({ peek: on ? (cursor ?? null) : null });
  const step = (by: number) => {
    const next = move(by);
    if (params.has('peek') && next) patch({ peek: next });
  };

  useActions('Investigations', [
    { id: 'next', title: 'Next', keys: ['j', 'ArrowDown'], quiet: true, run: () => step(1) },
    { id: 'previous', title: 'Previous', keys: ['k', 'ArrowUp'], quiet: true, run: () => step(-1) },
    { id: 'open', title: 'Open', keys: ['Enter'], quiet: true, run: () => void open(cursor) },
    { id: 'select', title: 'Select', keys: ['x'], quiet: true, run: () => cursor && toggle(cursor) },
    { id: 'peek', title: 'Peek', keys: ['Space'], quiet: true, run: () => peek(!params.has('peek')) },
    { id: 'search', title: 'Search investigations', keys: ['/'], run: () => search.current?.focus() },
    { id: 'false-alarm', title: 'Close as false alarm', keys: ['f'], run: () => void bulk.close(targets, 'false_alarm') },
    { id: 'duplicate', title: 'Close as duplicate', keys: ['d'], run: () => void bulk.close(targets, 'duplicate') },
    { id: 'status', title: 'Set the status', keys: ['s'], run: () => withSelection('status') },
    { id: 'priority', title: 'Set the priority', keys: ['p'], run: () => withSelection('priority') },
    { id: 'assign', title: 'Assign', keys: ['a'], run: () => withSelection('assign') },
    { id: 'tag', title: 'Tag', keys: ['l'], run: () => withSelection('tag') },
    ...(saved.filtered ? [{ id: 'save-view', title: 'Save this view', keys: ['shift+s'], run: () => setSaving(true) }] : []),
    { id: 'new', title: 'New investigation', keys: ['c'], run: () => setFresh(true) },
    { id: 'clear', title: 'Clear the selection', keys: ['Escape'], quiet: true, run: () => (selected.size ? clear() : peek(false)) },
    ...VIEWS.map(({ view, title }) => ({ id: `view-${view}`, title: `Show ${title.toLowerCase()}`, run: () => patch({ view: view === 'all' ? null : view }) })),
    ...saved.views.map((view) => ({ id: `saved-${view.name}`, title: `Show the view ${view.name}`, run: () => saved.show(view) })),
  ]);

  const people = data.facets?.find(({ field }) => field === 'assigned_to')?.values.map(({ value }) => value) ?? [];
  const tags = data.facets?.find(({ field }) => field === 'tag')?.values.map(({ value }) => value) ?? [];
  return (
    <main id="main" className="page triage">
      <PageTop title="Investigations" actions={<button type="button" className="btn" onClick={() => setFresh(true)}>New <Kbd keys="c" /></button>}><span className="sr-only" role="status">{rows.length} shown</span></PageTop>
      <div className="bar">
        <div className="seg" role="group" aria-label="View">
          {VIEWS.map(({ view, title }) => <button type="button" key={view} aria-pressed={!saved.shown && viewOf(params) === view} onClick={() => patch({ ...(saved.shown && saved.cleared()), view: view === 'all' ? null : view })}>{title}</button>)}
          <ViewTabs views={saved.views} shown={saved.shown} show={saved.show} remove={saved.remove} />
        </div>
        <SearchBox inputRef={search} params={params} patch={patch} />
        {saved.filtered && !saved.views.some(({ name }) => name === saved.shown?.name) && <button type="button" className="btn" onClick={() => setSaving(true)}>Save view <Kbd keys="shift+s" /></button>}
        <span className="row end wide" style={{ gap: 10 }}><Hint text="move" keys={['j', 'k']} /><Hint text="select" keys={['x']} /><Hint text="peek" keys={['Space']} /><Hint text="open" keys={['Enter']} /></span>
      </div>
      <div><Standing /></div>
      <div className={`triage-body ${peeked ? 'peeking' : ''}`}>
        <Facets facets={data.facets} params={params} patch={patch} />
        <section className="pane" aria-label="List" style={{ position: 'relative' }}>
          {data.error && <Failed error={data.error} what="The list" shownSince={rows.length ? data.readAt : undefined} retry={data.retry} />}
          {data.pending ? <GhostRows /> : items.length ? (
            <List items={items} cursor={cursor} selected={selected} now={now} select={toggle} open={open} fold={(key) => setFolded((before) => {
              const after = new Set(before);
              if (!after.delete(key)) after.add(key);
              return after;
            })} reachedEnd={data.readMore} reading={data.reading} />
          ) : !data.error && (saved.filtered ? (
            <Empty title="Nothing matches" center><button type="button" className="btn" onClick={() => patch(saved.cleared())}>Clear all filters</button></Empty>
          ) : (
            <NothingFound />
          ))}
          {selected.size > 0 && <BulkBar count={selected.size} people={people} tags={tags} rows={targets} menu={menu} setMenu={setMenu} patch={(change, said) => void bulk.patch(targets, change, said)} close={(reason) => void bulk.close(targets, reason)} tag={(name, on) => void bulk.tag(targets, name, on)} clear={clear} />}
        </section>
        {peeked && <Peek key={peeked.id} row={peeked} now={now} close={() => peek(false)} />}
      </div>
      <SaveViewDialog opened={saving} close={() => setSaving(false)} taken={saved.shown?.name ?? ''} save={(name) => {
        saved.save(name);
        setSaving(false);
      }} />
      <NewDialog opened={fresh} close={() => setFresh(false)} created={(id) => go(`/investigations/${id}`)} />
    </main>
  );
}

function useRows(params: URLSearchParams) {
  const query = filterQuery(params, identity.person());
  const { active, done } = halves(params);
  const activeQuery = useInfiniteQuery({ ...queries.investigations({ ...query, status: active ?? [] }), enabled: active !== null });
  const doneQuery = useInfiniteQuery({ ...queries.investigations({ ...query, status: done ?? [] }), enabled: done !== null });
  const facets = useQuery(queries.investigationFacets({ ...query, status: params.getAll('status') }));
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = activeQuery;
  const activePages = activeQuery.data?.pages.length ?? 0;
  useEffect(() => {
    if (hasNextPage && !isFetchingNextPage && activePages < ACTIVE_PAGES) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, activePages, fetchNextPage]);
  const activeData = active ? activeQuery.data : undefined;
  const doneData = done ? doneQuery.data : undefined;
  return useMemo(() => ({
    activeRows: activeData?.pages.flatMap((page) => page.items) ?? [],
    doneRows: doneData?.pages.flatMap((page) => page.items) ?? [],
    more: { active: activeQuery.hasNextPage && active !== null, done: doneQuery.hasNextPage && done !== null },
    facets: facets.data,
    pending: (active !== null && activeQuery.isPending && !activeQuery.error) || (active === null && doneQuery.isPending && !doneQuery.error),
    error: (active && activeQuery.error) || (done && doneQuery.error) || null,
    readAt: activeQuery.dataUpdatedAt || doneQuery.dataUpdatedAt,
    reading: doneQuery.isFetchingNextPage,
    retry: () => void Promise.all([active && activeQuery.refetch(), done && doneQuery.refetch(), facets.refetch()]),
    readMore: () => void (done && doneQuery.hasNextPage && !doneQuery.isFetchingNextPage && doneQuery.fetchNextPage()),
  // The queries' own fields say when something changed.
  // eslint-disable-next-line react-hooks/exhaustive-deps
  }), [activeData, doneData, facets.data, activeQuery.status, doneQuery.status, activeQuery.error, doneQuery.error, activeQuery.hasNextPage, doneQuery.hasNextPage, doneQuery.isFetchingNextPage]);
}

function SearchBox({ inputRef, params, patch }: { inputRef: React.RefObject<HTMLInputElement | null>; params: URLSearchParams; patch: ReturnType<typeof useUrl>[1] }) {
  const inUrl = params.get('q') ?? '';
  const [text, setText] = useState(inUrl);
  useEffect(() => setText(inUrl), [inUrl]);
  useEffect(() => {
    if (text === inUrl) return undefined;
    const timer = setTimeout(() => patch({ q: text }), 200);
    return () => clearTimeout(timer);
  }, [text, inUrl, patch]);
  const tokens = FACETS.flatMap(({ field }) => params.getAll(field).map((value) => ({ field, value })));
  return (
    <div className="search grow" style={{ maxWidth: 520 }}>
      <Search size={14} aria-hidden="true" />
      <span className="tokens">{tokens.map(({ field, value }) => (
        <button type="button" className="token" key={`${field}:${value}`} title={`${field}: ${value}; click to take off`} onClick={() => patch({ [field]: params.getAll(field).filter((one) => one !== value) })}>
          <span className="trunc">{field}:<b>{value || 'nobody'}</b></span> ×
        </button>
      ))}</span>
      <input ref={inputRef} type="search" aria-label="Search investigations" placeholder="service, commit, text" value={text} maxLength={200}
        onChange={(event) => setText(event.target.value)} onKeyDown={(event) => event.key === 'Escape' && event.currentTarget.blur()} />
      <Kbd keys="/" />
    </div>
  );
}
