import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Suspense, lazy, useEffect } from 'react';
import { Link } from 'wouter';
import { Problem } from '../../api/client';
import { queries } from '../../api/queries';
import type { Investigation, InvestigationSummary } from '../../api/types';
import { GraphTable } from '../../graph/GraphTable';
import { Hint } from '../../ui/Kbd';
import { Standing } from '../../ui/Standing';
import { Empty, Failed, GhostRows } from '../../ui/states';
import { Moved } from './charts/Moved';
import { EventPane, type EventTab } from './event/EventPane';
import { Head } from './head/Head';
import { ResolveDialog } from './head/ResolveDialog';
import './investigate.css';
import { Notes } from './notes/Notes';
import { Suspects } from './suspects/Suspects';
import { Timeline } from './timeline/Timeline';
import { useInvestigation } from './useInvestigation';

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
  if (error instanceof Problem && error.status === 404) return <main id="main" className="page"><Empty title="There is no such investigation" center page><Link href="/investigations" className="link">To the investigations</Link></Empty></main>;
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
  const { params, patchUrl, view, brush, change, onset, suspect, now, dark, eventId } = page;
  const table = params.get('t') === '1';
  const graphTable = params.get('gt') === '1';
  const tab = (params.get('tab') ?? 'event') as EventTab;
  const drawer = params.get('drawer') === '1';
  return (
    <main id="main" className="page investigate">
      <div>
        <Standing />
        {trouble && <Failed error={trouble} what="The investigation" shownSince={readAt} retry={retry} />}
        <Head investigation={investigation} now={now} highlights={page.highlights} menu={page.menu} setMenu={page.setMenu} patch={page.patch} conflict={page.conflict} settle={page.settle} ends={page.ends} tag={page.tag} />
      </div>
      <div className="investigate-body">
        <section className="answer" aria-label="The answer">
          <Suspects findings={findings} now={now} current={suspect?.id ?? null} choose={(id) => patchUrl({ suspect: id })} prove={page.prove} judge={(one, verdict) => void page.judge(one, verdict)} diff={page.showDiff} />
          <Notes id={investigation.id} at={page.noteAt} eventId={params.get('event')} brush={brush} composer={page.composer} lookAt={page.lookAt} />
        </section>
        <section className="proof" aria-label="The proof">
          <Timeline id={investigation.id} view={view} setView={page.setView} brush={brush} setBrush={page.setBrush} onset={onset} change={change} now={now} selected={eventId} pick={page.pickMark} table={table} toggleTable={() => patchUrl({ t: table ? null : '1' })} lanesRead={page.lanesRead} dark={dark} seen={page.seen} setSeen={page.setSeen} />
          <div className="lower">
            <section className="pane graph-pane" aria-label="Service graph" ref={page.graphPane} tabIndex={-1}>
              <div className="pane-head"><h2>Propagation</h2><span className="note">{page.origin ? `climbs from ${page.origin}` : ''}</span><span className="row end"><button type="button" className="btn ghost small" aria-pressed={graphTable} onClick={() => patchUrl({ gt: graphTable ? null : '1' })}>Table</button><span className="wide"><Hint text="" keys={['g g']} /></span></span></div>
              {!findings?.graph.nodes.length ? <Empty title="No calls seen"><span>Services appear here when traces name them.</span></Empty>
                : graphTable ? <GraphTable graph={findings.graph} />
                  : <div className="graph-plot"><Suspense fallback={<GhostRows rows={3} />}><ServiceMap graph={findings.graph} origin={page.origin} focus={params.get('service')} change={page.changeAt} pick={(service) => patchUrl({ service: params.get('service') === service ? null : service })} /></Suspense>
                    <p className="graph-legend">own: what its callees do not explain. +s: after onset</p></div>}
            </section>
            <Moved paneRef={page.movedPane} table={params.get('mt') === '1'} toggleTable={() => patchUrl({ mt: params.get('mt') === '1' ? null : '1' })} signals={findings?.signals ?? []} service={params.get('service')} view={view} brush={brush} onset={onset} change={change?.at ?? null} dark={dark} selected={eventId} pick={page.pickEvent} />
            <div ref={page.eventPane} className={`event-slot ${drawer ? 'open' : ''}`}><EventPane id={investigation.id} eventId={eventId} picked={params.has('event')} brush={brush} eventCount={investigation.event_count} tab={tab} setTab={(next) => patchUrl({ tab: next === 'event' ? null : next })} pick={page.pickEvent} close={() => patchUrl({ drawer: null })} /></div>
          </div>
        </section>
      </div>
      <ResolveDialog opened={page.resolving} close={() => page.setResolving(false)} draft={page.causeDraft} resolve={(cause) => void page.resolve(cause)} />
    </main>
  );
}
