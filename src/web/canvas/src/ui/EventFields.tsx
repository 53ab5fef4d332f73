import { useQuery } from '@tanstack/react-query';
import { Fragment, useState, type ReactNode } from 'react';
import { Link } from 'wouter';
import { queries } from '../api/queries';
import type { EventItem } from '../api/types';
import { explain } from '../api/client';
import { diffLines } from './diff';
import { eventFacts, type Exemplar } from './eventFacts';
import { count, duration, exactClock, shortId, words } from './format';
import { Json, prettyJson } from './Json';
import { SeverityLabel } from './marks';

/** Read later than this after it happened is worth saying. */
const LATE_MS = 2_000;

/** Everything known of one event, `children` below its title: fields, diff, exemplars, data, and where its record stands to the byte. */
export function EventFields({ event, here, children }: { event: EventItem; here?: string; children?: ReactNode }) {
  const { fields, more, diff, exemplars, rest } = eventFacts(event);
  return (
    <div className="event-fields">
      <div className="row" style={{ gap: 6 }}><SeverityLabel severity={event.severity} /><span className="dim small trunc">{words(event.event_type).toLowerCase()}, {event.source === 'ci' ? 'CI' : event.source}</span></div>
      <p className="event-title">{event.title}</p>
      {children}
      <Fields list={[...when(event), ...fields]} />
      {diff !== null && <Block title="Diff"><Diff text={diff} /></Block>}
      {exemplars.length > 0 && <Block title={`Exemplars, ${exemplars.length} of ${count(event.count)}`}>{exemplars.map((one, index) => <OneExemplar key={index} one={one} title={event.title} />)}</Block>}
      {Object.keys(rest).length > 0 && <Block title="Data"><pre className="code" tabIndex={0}><Json text={prettyJson(rest)} /></pre></Block>}
      {event.metadata !== null && Object.keys(event.metadata).length > 0 && <Block title="Attached"><pre className="code" tabIndex={0}><Json text={prettyJson(event.metadata)} /></pre></Block>}
      <Fields list={[...more, ...references(event, here)]} />
      <SourceRecord key={event.id} event={event} />
    </div>
  );
}

function Fields({ list }: { list: readonly [string, ReactNode][] }) {
  if (!list.length) return null;
  return <dl className="kv">{list.map(([name, face]) => <div key={name}><dt>{name}</dt><dd>{typeof face === 'string' ? <Breakable text={face} /> : face}</dd></div>)}</dl>;
}

function when(event: EventItem): [string, ReactNode][] {
  const where = [event.service, event.environment, event.host].filter(Boolean).join(', ');
  const fields: [string, ReactNode][] = [['Service', where || '–']];
  if (event.count > 1 || event.last_seen !== event.first_seen) fields.push(['First, last', `${exactClock(event.first_seen)}, ${exactClock(event.last_seen)}`]);
  else fields.push(['When', exactClock(event.timestamp)]);
  if (event.count > 1) fields.push(['Folded', `${count(event.count)} repeats, exact`]);
  return fields;
}

function references(event: EventItem, here?: string): [string, ReactNode][] {
  const others = event.investigation_ids.filter((id) => id !== here);
  const late = Date.parse(event.observed_at) - Date.parse(event.timestamp);
  const fields: [string, ReactNode][] = [];
  if (late > LATE_MS) fields.push(['Seen', `${exactClock(event.observed_at)}, ${duration(late)} later`]);
  if (event.trace_id) fields.push(['Trace', <Link key="t" className="link mono" href={`/events?trace_id=${event.trace_id}`} title="Events of this trace">{event.trace_id}</Link>]);
  if (event.source_id) fields.push(['Source id', <span className="mono" key="s"><Breakable text={event.source_id} /></span>]);
  if (event.tags.length) fields.push(['Tags', event.tags.join(', ')]);
  if (others.length) fields.push(['Linked to', <span key="l">{others.map((id) => <Link key={id} href={`/investigations/${id}`} className="link">{shortId(id)} </Link>)}</span>]);
  return fields;
}

/** Long paths break after their slashes. */
function Breakable({ text }: { text: string }) {
  return <>{text.split('/').map((part, index) => <Fragment key={index}>{index > 0 && <>/<wbr /></>}{part}</Fragment>)}</>;
}

const DIFF_LINES_MAX = 400;

/** A unified diff; the sign of each line stays, so that colour is not all that tells. */
function Diff({ text }: { text: string }) {
  const lines = diffLines(text);
  return (
    <pre className="code diff-code" tabIndex={0}>
      {lines.slice(0, DIFF_LINES_MAX).map(({ kind, text: line }, index) => <span key={index} className={`diff-line ${kind}`}>{line || ' '}{'\n'}</span>)}
      {lines.length > DIFF_LINES_MAX && `… ${lines.length - DIFF_LINES_MAX} more lines`}
    </pre>
  );
}

function OneExemplar({ one: { message, where, stack }, title }: { one: Exemplar; title: string }) {
  return (
    <div className="exemplar">
      {message !== title && <p className="mono">{message}</p>}
      {where && <p className="dim small">{where}</p>}
      {stack && <pre className="code" tabIndex={0}>{stack}</pre>}
    </div>
  );
}

function SourceRecord({ event: { id, provenance, source } }: { event: EventItem }) {
  const [asked, setAsked] = useState(false);
  return (
    <>
    <div className="row small event-source"><span className="label">Source record</span>{provenance
      ? <span className="mono sec end trunc" title={`cluster ${provenance.cluster}, topic ${provenance.topic}, incarnation ${provenance.incarnation}, partition ${provenance.partition}, offset ${provenance.offset}, read as ${provenance.format} by ${provenance.connector}`}>{provenance.topic} / {provenance.partition} / {provenance.offset.toLocaleString('en-US').replace(/,/g, ' ')}</span>
      : <span className="dim end">{source === 'manual' ? 'written by hand' : 'found by whydunit: no single record'}</span>}
      {provenance && !asked && <button type="button" className="btn small" onClick={() => setAsked(true)}>Read it</button>}</div>
      {asked && <ReadRecord id={id} />}
    </>
  );
}

/** The record as its broker has it now, byte for byte; or since when it is gone. */
function ReadRecord({ id }: { id: string }) {
  const { data, error } = useQuery(queries.sourceRecord(id));
  if (error) return <p className="small dim" role="status">{explain(error)}</p>;
  if (!data) return <p className="small dim" role="status">Asking the broker …</p>;
  const value = data.value_text ?? data.value_base64;
  const headers: [string, ReactNode][] = data.headers.map(({ name, value: text }) => [name, text ?? 'null']);
  return (
    <div className="event-block">
      <p className="small dim" role="status">{data.says}{data.value_text === null && value !== null ? '; shown in base64' : ''}.</p>
      <Fields list={[...(data.key_text ?? data.key_base64 ? [['Key', data.key_text ?? data.key_base64] as [string, ReactNode]] : []), ...headers]} />
      {value !== null && <pre className="code" tabIndex={0}>{value}</pre>}
    </div>
  );
}

function Block({ title, children }: { title: string; children: ReactNode }) {
  return <div className="event-block"><span className="label">{title}</span>{children}</div>;
}
