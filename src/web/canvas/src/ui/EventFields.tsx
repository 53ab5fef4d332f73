import { Link } from 'wouter';
import type { EventItem } from '../api/types';
import { count, exactClock, shortId, words } from './format';
import { Json, prettyJson } from './Json';
import { SeverityLabel } from './marks';

/** Everything known of one event: fields, exemplars, data, and where its record stands to the byte. */
export function EventFields({ event, here }: { event: EventItem; here?: string }) {
  const data = event.data as Record<string, unknown> | null;
  const exemplars = Array.isArray(data?.exemplars) ? (data.exemplars as unknown[]) : [];
  const rest = data && typeof data === 'object' ? Object.fromEntries(Object.entries(data).filter(([key]) => key !== 'exemplars')) : data;
  const { provenance } = event;
  const others = event.investigation_ids.filter((id) => id !== here);
  const where = [event.service, event.environment, event.host].filter(Boolean).join(', ');
  const fields: [string, React.ReactNode][] = [
    ['Service', where || '–'],
    event.count > 1 ? ['First, last', `${exactClock(event.first_seen)}, ${exactClock(event.last_seen)}`] : ['When', exactClock(event.timestamp)],
    ...(event.count > 1 ? [['Folded', `${count(event.count)} repeats, exact`] as [string, string]] : []),
    ['Read', exactClock(event.observed_at)],
    ...(event.trace_id ? [['Trace', <span className="mono" key="t">{event.trace_id}</span>] as [string, React.ReactNode]] : []),
    ...(event.source_id ? [['Source id', <span className="mono" key="s">{event.source_id}</span>] as [string, React.ReactNode]] : []),
    ...(event.tags.length ? [['Tags', event.tags.join(', ')] as [string, string]] : []),
    ...(others.length ? [['Linked to', <span key="l">{others.map((id) => <Link key={id} href={`/investigations/${id}`} className="link">{shortId(id)} </Link>)}</span>] as [string, React.ReactNode]] : []),
  ];
  return (
    <div className="event-fields">
      <div className="row" style={{ gap: 6 }}><SeverityLabel severity={event.severity} /><span className="dim small trunc">{words(event.event_type).toLowerCase()}, {event.source}</span></div>
      <p className="event-title">{event.title}</p>
      <dl className="kv">{fields.map(([name, face]) => <div key={name}><dt>{name}</dt><dd>{face}</dd></div>)}</dl>
      {exemplars.length > 0 && <Block title={`Exemplars, ${exemplars.length}`}>{exemplars.map((one, index) => <pre className="code" key={index}><Json text={typeof one === 'string' ? one : prettyJson(one)} /></pre>)}</Block>}
      {rest !== null && rest !== undefined && prettyJson(rest) !== '{}' && <Block title="Data"><pre className="code"><Json text={typeof rest === 'string' ? rest : prettyJson(rest)} /></pre></Block>}
      <div className="row small event-source"><span className="label">Source record</span>{provenance
        ? <span className="mono sec end trunc" title={`cluster ${provenance.cluster}, topic ${provenance.topic}, incarnation ${provenance.incarnation}, partition ${provenance.partition}, offset ${provenance.offset}, read as ${provenance.format} by ${provenance.connector}`}>{provenance.topic} / {provenance.partition} / {provenance.offset.toLocaleString('en-US').replace(/,/g, ' ')}</span>
        : <span className="dim end">{event.source === 'manual' ? 'written by hand' : 'detected: no single record'}</span>}</div>
    </div>
  );
}

function Block({ title, children }: { title: string; children: React.ReactNode }) {
  return <div className="event-block"><span className="label">{title}</span>{children}</div>;
}
