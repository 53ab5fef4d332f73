import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useMantineColorScheme } from '@mantine/core';
import { Suspense, lazy, useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { Link, useLocation } from 'wouter';
import { Problem, explain } from '../../api/client';
import { commands } from '../../api/commands';
import { useEventNow } from '../../api/live';
import { queries } from '../../api/queries';
import type { Investigation, InvestigationSummary, Lane, Mark, Suspect, Verdict } from '../../api/types';
import { GraphTable } from '../../graph/GraphTable';
import { useActions } from '../../ui/actions';
import { Hint } from '../../ui/Kbd';
import { Empty, Failed, GhostRows } from '../../ui/states';
import { say } from '../../ui/toasts';
import { useUrl } from '../../ui/url';
import { Moved } from './charts/Moved';
import { EventPane, type EventTab } from './event/EventPane';
import { Head, type HeadMenu } from './head/Head';
import { ResolveDialog } from './head/ResolveDialog';
import { headHighlights } from './head/sentence';
import { usePatch } from './head/usePatch';
import './investigate.css';
import { Notes } from './notes/Notes';
import { proofOf, suspectGroups } from './suspects/ranking';
import { Suspects } from './suspects/Suspects';
import { around, defaultSpan, leadingChange, nextChange, parseSpan, zoomed, type Span } from './timeline/model';
import { Timeline } from './timeline/Timeline';
import { useView } from './useView';

const ServiceMap = lazy(() => import('../../graph/ServiceMap'));

/** One incident: the answer left, the proof right. */
export default function Investigate({ id }: { id: string }) {
  const client = useQueryClient();
  const { data, error, refetch, dataUpdatedAt } = useQuery(queries.investigation(id));
  useEffect(() => {
    document.title = data ? `${data.title} · whydunit` : 'whydunit';
    return () => void (document.title = 'whydunit');
  }, [data]);
  if (data) return <Loaded investigation={data} trouble={error} readAt={dataUpdatedAt} retry={() => void refetch()} />;
  if (error instanceof Problem && error.status === 404) return <main id="main" className="page"><Empty title="There is no such investigation" center><Link href="/investigations" className="link">To the investigations</Link></Empty></main>;
  const row = client.getQueriesData<{ pages: { items: InvestigationSummary[] }[] }>({ queryKey: ['investigations'] }).flatMap(([, list]) => list?.pages?.flatMap(({ items }) => items) ?? []).find((one) => one.id === id);
  return (
    <main id="main" className="page investigate">
      <header className="head"><div className="head-crumb" /><h1>{row?.title ?? <span className="dim">Reading…</span>}</h1></header>
      {error ? <Failed error={error} what="The investigation" retry={() => void refetch()} /> : <GhostRows />}
    </main>
  );
}

function Loaded({ investigation, trouble, readAt, retry }: { investigation: Investigation; trouble: Error | null; readAt: number; retry: () => void }) {
  const page = useInvestigation(investigation);
  const { findings } = investigation;
  const { params, patchUrl, view, brush, change, onset, suspect, now, dark } = page;
  const table = params.get('t') === '1';
  const graphTable = params.get('gt') === '1';
  const tab = (params.get('tab') ?? 'event') as EventTab;
  const eventId = params.get('event');
  const drawer = params.get('drawer') === '1';
  return (
    <main id="main" className="page investigate">
      <div>
        {trouble && <Failed error={trouble} what="The investigation" shownSince={readAt} retry={retry} />}
        <Head investigation={investigation} now={now} highlights={page.highlights} menu={page.menu} setMenu={page.setMenu} patch={page.patch} conflict={page.conflict} settle={page.settle} ends={page.ends} />
      </div>
      <div className="investigate-body">
        <section className="answer" aria-label="The answer">
          <Suspects findings={findings} now={now} current={suspect?.id ?? null} choose={(id) => patchUrl({ suspect: id })} prove={page.prove} judge={(one, verdict) => void page.judge(one, verdict)} />
          <Notes id={investigation.id} at={page.noteAt} eventId={eventId} composer={page.composer} lookAt={page.lookAt} />
        </section>
        <section className="proof" aria-label="The proof">
          <Timeline id={investigation.id} view={view} setView={page.setView} brush={brush} setBrush={page.setBrush} onset={onset} change={change} now={now} selected={eventId} pick={page.pickMark} table={table} toggleTable={() => patchUrl({ t: table ? null : '1' })} lanesRead={page.lanesRead} dark={dark} />
          <div className="lower">
            <section className="pane graph-pane" aria-label="Service graph" ref={page.graphPane} tabIndex={-1}>
              <div className="pane-head"><h2>Propagation</h2><span className="note">{page.origin ? `climbs from ${page.origin}` : ''}</span><span className="row end"><button type="button" className="btn ghost small" aria-pressed={graphTable} onClick={() => patchUrl({ gt: graphTable ? null : '1' })}>Table</button><span className="wide"><Hint text="" keys={['g g']} /></span></span></div>
              {!findings?.graph.nodes.length ? <Empty title="No calls seen"><span>Services appear here when traces name them.</span></Empty>
                : graphTable ? <GraphTable graph={findings.graph} />
                  : <div className="graph-plot"><Suspense fallback={<GhostRows rows={3} />}><ServiceMap graph={findings.graph} origin={page.origin} focus={params.get('service')} change={page.changeAt} pick={(service) => patchUrl({ service: params.get('service') === service ? null : service })} /></Suspense>
                    <p className="graph-legend">own: what its callees do not explain. +s: after onset</p></div>}
            </section>
            <Moved signals={findings?.signals ?? []} service={params.get('service')} view={view} brush={brush} onset={onset} change={change?.at ?? null} dark={dark} selected={eventId} pick={page.pickEvent} />
            <div className={`event-slot ${drawer ? 'open' : ''}`}><EventPane id={investigation.id} eventId={eventId} eventCount={investigation.event_count} tab={tab} setTab={(next) => patchUrl({ tab: next === 'event' ? null : next })} pick={page.pickEvent} close={() => patchUrl({ drawer: null })} /></div>
          </div>
        </section>
      </div>
      <ResolveDialog opened={page.resolving} close={() => page.setResolving(false)} draft={page.causeDraft} resolve={(cause) => void page.resolve(cause)} />
    </main>
  );
}

/** State and actions of the page; everything that can be shared is in the address. */
function useInvestigation(investigation: Investigation) {
  const client = useQueryClient();
  const [params, patchUrl] = useUrl();
  const [, go] = useLocation();
  const { findings } = investigation;
  const { colorScheme } = useMantineColorScheme();
  const dark = colorScheme === 'dark' || (colorScheme === 'auto' && matchMedia('(prefers-color-scheme: dark)').matches);
  const now = Math.max(useEventNowIfRunning(investigation), Date.parse(findings?.updated_at ?? investigation.started_at));
  const follow = useMemo(() => defaultSpan(findings, investigation.started_at, investigation.updated_at), [findings, investigation.started_at, investigation.updated_at]);
  const [viewNow, setView] = useView(params, patchUrl, follow);
  const view = viewNow ?? follow;
  const brush = useMemo(() => parseSpan(params.get('b0'), params.get('b1')), [params]);
  const setBrush = useCallback((span: Span | null) => patchUrl({ b0: span && new Date(span.from).toISOString(), b1: span && new Date(span.to).toISOString() }), [patchUrl]);
  const [menu, setMenu] = useState<HeadMenu>(null);
  const [resolving, setResolving] = useState(false);
  const composer = useRef<HTMLTextAreaElement>(null);
  const graphPane = useRef<HTMLElement>(null);
  const lanes = useRef<readonly Lane[]>([]);
  const lanesRead = useCallback((read: readonly Lane[]) => void (lanes.current = read), []);
  const writes = usePatch(investigation);

  const suspects = useMemo(() => suspectGroups(findings?.suspects ?? []).flatMap((group) => group.suspects), [findings]);
  const suspect = suspects.find(({ id }) => id === params.get('suspect')) ?? suspects[0] ?? null;
  const lead = leadingChange(suspects, suspect);
  const change = lead?.at ? { at: Date.parse(lead.at), name: shortName(lead.entity) } : null;
  const onset = findings ? Date.parse(findings.started_at) : null;
  const origin = suspects.find(({ kind }) => kind === 'service')?.service ?? findings?.hot_services[0] ?? null;

  const pickEvent = useCallback((event: string | null, at?: string) => {
    patchUrl({ event, tab: null, drawer: '1' });
    if (at) setView(around(view, Date.parse(at)));
  }, [patchUrl, setView, view]);
  const prove = (one: Suspect) => {
    if (!findings) return;
    const proof = proofOf(one, findings);
    patchUrl({ suspect: one.id, event: proof.eventId, service: proof.service, tab: null, b0: new Date(proof.from).toISOString(), b1: new Date(proof.to).toISOString() });
    setViewIfNeeded(view, proof, setView);
  };
  const judge = async (one: Suspect, verdict: Verdict) => {
    const before = one.verdict;
    const set = async (next: Verdict) => {
      await commands.verdict(investigation.id, one.id, next);
      await client.invalidateQueries({ queryKey: ['investigation', investigation.id] });
    };
    try {
      await set(verdict);
      say(verdict === 'suspect' ? `${one.entity}: verdict taken back` : `${one.entity} ${verdict}`, { undo: () => void set(before).catch((error: unknown) => say(`Not saved: ${explain(error)}`, { bad: true })) });
    } catch (error) {
      say(`Not saved: ${explain(error)}`, { bad: true });
    }
  };
  const step = (by: number) => {
    const at = suspect ? suspects.indexOf(suspect) : -1;
    const next = suspects[Math.max(0, Math.min(suspects.length - 1, at + by))];
    if (next) patchUrl({ suspect: next.id });
  };
  const jump = (direction: 1 | -1) => {
    const current = lanes.current.flatMap(({ marks }) => marks).find(({ event_id }) => event_id !== null && event_id === params.get('event'));
    const mark = nextChange(lanes.current, current ? Date.parse(current.at) : direction > 0 ? view.from : view.to, direction);
    if (mark) pickEvent(mark.event_id, mark.at);
  };
  const ends = {
    resolve: () => setResolving(true), falseAlarm: () => writes.close('false_alarm'), duplicate: () => writes.close('duplicate'), reopen: writes.reopen,
  };
  const toggle = (name: string) => patchUrl({ [name]: params.get(name) === '1' ? null : '1' });

  useActions('Investigation', [
    { id: 'next-suspect', title: 'Next suspect', keys: ['j', 'ArrowDown'], quiet: true, run: () => step(1) },
    { id: 'previous-suspect', title: 'Previous suspect', keys: ['k', 'ArrowUp'], quiet: true, run: () => step(-1) },
    { id: 'proof', title: 'Show proof', keys: ['Enter'], run: () => suspect && prove(suspect) },
    { id: 'confirm', title: 'Confirm the suspect', keys: ['y'], run: () => suspect && void judge(suspect, suspect.verdict === 'confirmed' ? 'suspect' : 'confirmed') },
    { id: 'refute', title: 'Refute the suspect', keys: ['n'], run: () => suspect && void judge(suspect, suspect.verdict === 'refuted' ? 'suspect' : 'refuted') },
    { id: 'change-before', title: 'Previous change', keys: ['['], run: () => jump(-1) },
    { id: 'change-after', title: 'Next change', keys: [']'], run: () => jump(1) },
    { id: 'zoom-in', title: 'Zoom in', keys: ['+', '='], run: () => setView(zoomed(view, 0.6)) },
    { id: 'zoom-out', title: 'Zoom out', keys: ['-'], run: () => setView(zoomed(view, 1.6)) },
    { id: 'left', title: 'Earlier', keys: ['ArrowLeft'], quiet: true, run: () => setView(shifted(view, -0.2)) },
    { id: 'right', title: 'Later', keys: ['ArrowRight'], quiet: true, run: () => setView(shifted(view, 0.2)) },
    { id: 'whole', title: 'Show the whole incident', keys: ['0'], run: () => patchUrl({ from: null, to: null }) },
    { id: 'brush', title: 'Brush the onset', keys: ['b'], run: () => (brush ? setBrush(null) : onset !== null && setBrush({ from: onset - 40_000, to: onset + 80_000 })) },
    { id: 'table', title: 'Timeline as a table', keys: ['t'], run: () => toggle('t') },
    { id: 'graph', title: 'To the graph', keys: ['g g'], run: () => graphPane.current?.focus() },
    { id: 'graph-table', title: 'Graph as a table', run: () => toggle('gt') },
    { id: 'event', title: 'Event', keys: ['e'], run: () => toggle('drawer') },
    { id: 'note', title: 'Write a note', keys: ['c'], run: () => composer.current?.focus() },
    { id: 'status', title: 'Set the status', keys: ['s'], run: () => setMenu('status') },
    { id: 'priority', title: 'Set the priority', keys: ['p'], run: () => setMenu('priority') },
    { id: 'assign', title: 'Assign', keys: ['a'], run: () => setMenu('assign') },
    { id: 'false-alarm', title: 'Close as false alarm', run: ends.falseAlarm },
    { id: 'duplicate', title: 'Close as duplicate', run: ends.duplicate },
    { id: 'back', title: 'Back', keys: ['Escape'], quiet: true, run: () => (writes.conflict ? writes.settle(false) : brush ? setBrush(null) : params.get('drawer') ? patchUrl({ drawer: null }) : go('/investigations')) },
  ]);

  return {
    params, patchUrl, view, setView, brush, setBrush, change, onset, suspect, now, dark, menu, setMenu, resolving, setResolving, composer, graphPane, lanesRead, origin, prove, judge, pickEvent,
    patch: writes.patch, conflict: writes.conflict, settle: writes.settle, resolve: writes.resolve, ends,
    highlights: headHighlights(investigation, { prove, lead, onset, lookAt: (span) => setViewIfNeeded(view, span, setView), focus: (service) => patchUrl({ service }) }),
    pickMark: (mark: Mark) => (mark.event_id ? pickEvent(mark.event_id) : setBrush({ from: Date.parse(mark.at) - 30_000, to: Date.parse(mark.at) + 30_000 })),
    lookAt: (time: string) => setView(around(view, Date.parse(time))),
    changeAt: lead?.service && change ? { service: lead.service, name: change.name } : null,
    noteAt: brush && (onset === null || onset < brush.from || onset > brush.to) ? new Date(brush.from).toISOString() : (findings?.started_at ?? null),
    causeDraft: investigation.root_cause ?? causeDraft(suspects),
  };
}

/** Event time "now" for one that is still going on; its last news for one that ended. */
function useEventNowIfRunning(investigation: Investigation): number {
  const live = useEventNow();
  const over = investigation.status === 'resolved' || investigation.status === 'closed';
  return over ? Date.parse(investigation.findings?.updated_at ?? investigation.updated_at) : live;
}

const shifted = (span: Span, share: number): Span => ({ from: span.from + (span.to - span.from) * share, to: span.to + (span.to - span.from) * share });

function setViewIfNeeded(view: Span, span: Span, setView: (span: Span) => void) {
  if (span.from < view.from || span.to > view.to) setView(around({ from: 0, to: Math.max(view.to - view.from, (span.to - span.from) * 3) }, (span.from + span.to) / 2));
}

/** `Deploy 8f2c1e of payment` → `8f2c1e`. */
function shortName(entity: string): string {
  return /\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{6,40}\b/.exec(entity)?.[0].slice(0, 7) ?? entity;
}

function causeDraft(suspects: readonly Suspect[]): string {
  const best = suspects.find(({ verdict }) => verdict === 'confirmed') ?? suspects.find(({ kind, verdict, score }) => kind !== 'none' && verdict !== 'refuted' && score >= 0.5);
  return best ? [best.entity, best.diff_hint, best.sentence].filter(Boolean).join('. ') : '';
}
