import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { Link } from 'wouter';
import { Problem, queryText } from '../../../api/client';
import { queries } from '../../../api/queries';
import { Told } from '../../../ui/Deliveries';
import { EventFields } from '../../../ui/EventFields';
import { clock, count, words } from '../../../ui/format';
import { Hint, Kbd } from '../../../ui/Kbd';
import { Avatar, SeverityMark, SourceIcon } from '../../../ui/marks';
import { Empty, Failed, GhostRows } from '../../../ui/states';
import type { Span } from '../timeline/model';

export type EventTab = 'event' | 'linked' | 'activity' | 'told';

interface Props {
  id: string;
  eventId: string | null;
  /** By a person; else it is the strongest sign. */
  picked: boolean;
  /** Only what happened in it is listed. */
  brush: Span | null;
  eventCount: number;
  tab: EventTab;
  setTab: (tab: EventTab) => void;
  pick: (eventId: string) => void;
  close?: () => void;
}

const TABS: readonly { tab: EventTab; title: string }[] = [{ tab: 'event', title: 'Event' }, { tab: 'linked', title: 'Linked' }, { tab: 'activity', title: 'Activity' }, { tab: 'told', title: 'Told' }];

export function EventPane({ id, eventId, picked, brush, eventCount, tab, setTab, pick, close }: Props) {
  return (
    <section className="pane event-pane" aria-label="Event">
      <div className="tabs">
        <div role="tablist" aria-label="Event" className="row" style={{ gap: 14, alignSelf: 'stretch' }}>
          {TABS.map(({ tab: name, title }) => <button key={name} type="button" role="tab" id={`tab-${name}`} aria-selected={tab === name} aria-controls="event-panel" onClick={() => setTab(name)}>{title}{name === 'linked' && eventCount > 0 ? ` ${count(eventCount)}` : ''}</button>)}
        </div>
        <span className="row end">{close && <button type="button" className="btn ghost small drawer-close" onClick={close}>Close <Kbd keys="e" /></button>}</span>
      </div>
      <div id="event-panel" role="tabpanel" aria-labelledby={`tab-${tab}`} tabIndex={0} className="event-body">
        {tab === 'event' && (eventId ? <OneEvent eventId={eventId} here={id} picked={picked} /> : <Empty title="Pick a mark"><span>On the timeline, or with <Hint text="" keys={['[', ']']} /> the previous and next change.</span></Empty>)}
        {tab === 'linked' && <Linked id={id} current={eventId} pick={pick} brush={brush} />}
        {tab === 'activity' && <ActivityList id={id} brush={brush} />}
        {tab === 'told' && <ToldList id={id} />}
      </div>
    </section>
  );
}

function OneEvent({ eventId, here, picked }: { eventId: string; here: string; picked: boolean }) {
  const { data, error, isPending, refetch } = useQuery(queries.event(eventId));
  if (error instanceof Problem && error.status === 404) return <Empty title="This event is not kept"><span>What stood on the timeline remains there; its record is gone.</span></Empty>;
  if (error) return <Failed error={error} what="The event" retry={() => void refetch()} />;
  if (isPending) return <GhostRows rows={4} />;
  return <>{!picked && <p className="label event-lead">Strongest sign</p>}<EventFields event={data} here={here}><Belonging id={here} eventId={eventId} /></EventFields></>;
}

/** Why it is here, or why it is not: the sentence, and what whydunit went by. */
function Belonging({ id, eventId }: { id: string; eventId: string }) {
  const { data } = useQuery(queries.explain(id, eventId));
  // What stands above it says what is wrong when nothing can be read.
  if (!data) return null;
  return (
    <details className="belonging">
      <summary><b>{data.belongs ? 'Belongs here' : 'Not linked'}</b> <span className="sec">{data.because}</span></summary>
      {data.checks.length > 0 && <ul className="evidence">{data.checks.map(({ about, holds, sentence }) => <li key={about} className={holds ? '' : 'against'}><span className="sr-only">{holds ? 'holds: ' : 'does not hold: '}</span><span>{sentence}</span></li>)}</ul>}
    </details>
  );
}

function Linked({ id, current, pick, brush }: { id: string; current: string | null; pick: (eventId: string) => void; brush: Span | null }) {
  const { data, error, isPending, refetch, hasNextPage, fetchNextPage, isFetchingNextPage } = useInfiniteQuery(queries.linkedEvents(id, rangeOf(brush)));
  if (error) return <Failed error={error} what="The linked events" retry={() => void refetch()} />;
  if (isPending) return <GhostRows rows={5} />;
  const events = data.pages.flatMap((page) => page.items);
  if (!events.length) return <Empty title={brush ? 'No linked event in the brush' : 'No events linked yet'} />;
  return (
    <ul className="linked">
      {brush && <li className="dim small linked-note">{count(data.pages[0]?.total ?? events.length)} in the brush; <Link className="link" href={`/events${queryText(rangeOf(brush))}`}>everything of that time</Link></li>}
      {events.map((event) => (
        <li key={event.id}><button type="button" aria-current={event.id === current ? 'true' : undefined} onClick={() => pick(event.id)}>
          <span className="dim small">{clock(event.timestamp)}</span><SourceIcon source={event.source} size={13} /><span className="trunc grow" title={event.title}>{event.title}</span>
          <span className={`${event.severity}-ink`} title={event.severity}><SeverityMark severity={event.severity} size={10} /></span>
        </button></li>
      ))}
      {hasNextPage && <li><button type="button" className="link" disabled={isFetchingNextPage} onClick={() => void fetchNextPage()}>{isFetchingNextPage ? 'Reading…' : 'More'}</button></li>}
    </ul>
  );
}

/** The range of the brush as the API takes it. */
const rangeOf = (brush: Span | null): { from?: string; to?: string } => (brush ? { from: new Date(brush.from).toISOString(), to: new Date(brush.to).toISOString() } : {});

function ActivityList({ id, brush }: { id: string; brush: Span | null }) {
  const { data, error, isPending, refetch } = useQuery(queries.activity(id));
  if (error) return <Failed error={error} what="The activity" retry={() => void refetch()} />;
  if (isPending) return <GhostRows rows={4} />;
  const within = brush ? data.filter(({ at }) => Date.parse(at) >= brush.from && Date.parse(at) <= brush.to) : data;
  if (!within.length) return <Empty title={data.length ? 'Nobody did anything in the brush' : 'Nothing happened yet'} />;
  return <ul className="activity">{[...within].sort((a, b) => Date.parse(b.at) - Date.parse(a.at)).map((one) => <li key={one.id}><span className="dim small">{clock(one.at)}</span><Avatar name={one.who} /><span><b>{words(one.what)}</b> <span className="sec">{one.detail}</span></span></li>)}</ul>;
}

/** When and to whom it was told, or why not yet. */
function ToldList({ id }: { id: string }) {
  const { data, error, isPending, refetch, hasNextPage, fetchNextPage, isFetchingNextPage } = useInfiniteQuery(queries.notifications({ investigation_id: id }));
  const channels = useQuery(queries.channels());
  if (error) return <Failed error={error} what="What was told" retry={() => void refetch()} />;
  if (isPending) return <GhostRows rows={3} />;
  const told = data.pages.flatMap(({ items }) => items);
  if (!told.length) return <Empty title="Nobody was told">{channels.data?.length ? <span>It was opened before anybody was to be told, by a person, or long before it was read.</span> : <span>Name who is to be told under <span className="mono">[tell]</span> in the settings.</span>}</Empty>;
  return (
    <ul className="told-of">
      {told.map((one) => <Told key={one.id} one={one} />)}
      {hasNextPage && <li><button type="button" className="link" disabled={isFetchingNextPage} onClick={() => void fetchNextPage()}>{isFetchingNextPage ? 'Reading…' : 'More'}</button></li>}
    </ul>
  );
}
