import { useEffect, useRef } from 'react';
import { Link } from 'wouter';
import type { ConnectorStatus } from '../../api/types';
import { clock, count, duration, rate, shortTime } from '../../ui/format';
import { Kbd } from '../../ui/Kbd';
import { SeverityMark, SourceIcon } from '../../ui/marks';
import { useNow } from '../../ui/now';
import { reveal } from '../../ui/scroll';
import { nextStep } from '../../ui/standing';
import { clockSays, faceOf, mix, sentence } from './state';

export type Verb = 'pause' | 'resume' | 'reset';

interface Props {
  one: ConnectorStatus;
  current: boolean;
  waiting: number;
  choose: () => void;
  act: (verb: Verb) => void;
  breaker: () => void;
}

/** Of the second format and those after it: quieter than the source's own colour, and none of another source. */
const MIX_COLORS = ['line3', 'line', 'ink3'];

export function Card({ one, current, waiting, choose, act, breaker }: Props) {
  const ref = useRef<HTMLElement>(null);
  useEffect(() => {
    if (current) reveal(ref.current?.closest<HTMLElement>('.connector-grid'), ref.current);
  }, [current]);
  const face = faceOf(one);
  const red = face.tone === 'critical';
  const tripped = one.state === 'open' || one.state === 'half_open' || one.breaker.state !== 'closed';
  const stopped = one.state === 'paused' || one.state === 'stopped';
  const [amount, unit] = perTime(one);
  return (
    <article ref={ref} className={`connector ${red ? 'red' : ''} ${face.tone !== 'well' ? 'loud' : ''} ${current ? 'current' : ''}`} aria-current={current ? 'true' : undefined} aria-label={`${one.name}: ${face.word}`} onClick={choose}>
      <div className="row">
        <SourceIcon source={one.source} /><b className="trunc connector-name" title={one.name}>{one.name}</b>
        <span className="mono dim trunc grow" style={{ fontSize: 11.5 }} title={one.group ? `${one.topics.join(', ')} on ${one.brokers}, group ${one.group}` : `${one.topics.join(', ')}, over HTTP`}>{one.topics.join(', ')}</span>
        <span className={`sev ${face.tone === 'quiet' ? 'info' : face.tone}-ink`}><SeverityMark severity={face.shape} />{face.word}</span>
      </div>
      <div className="row" style={{ gap: 14, alignItems: 'flex-start' }}>
        {one.breaker.retry_at && (one.state === 'open' || one.state === 'backing_off') && <Countdown until={one.breaker.retry_at} from={one.breaker.opened_at} />}
        <p className="connector-why grow">{red && <b>Red because </b>}{sentence(one)}<NextStep one={one} /></p>
      </div>
      <div className="row connector-acts">
        {tripped && <button type="button" className="btn primary" onClick={() => act('reset')}>Try one batch now <Kbd keys="r" /></button>}
        {stopped ? <button type="button" className="btn" onClick={() => act('resume')}>Resume <Kbd keys="p" /></button> : <button type="button" className="btn" onClick={() => act('pause')}>Pause <Kbd keys="p" /></button>}
        <button type="button" className="btn" onClick={breaker}>Breaker <Kbd keys="c" /></button>
        {waiting > 0 && <Link href={`/dead-letters?connector=${encodeURIComponent(one.name)}`} className="btn">{count(waiting)} dead {waiting === 1 ? 'letter' : 'letters'} <Kbd keys="d" /></Link>}
        {(one.restarts > 0 || (one.stage?.restarts ?? 0) > 0) && <span className="dim small end" title={one.stage?.last_reason ?? undefined}>{count(one.restarts + (one.stage?.restarts ?? 0))} restarts</span>}
      </div>
      <dl className="connector-numbers">
        <div><dt>Lag</dt><dd>{count(one.lag_records)}</dd><dd className="connector-unit">{one.lag_records ? duration(Math.max(100, one.lag_seconds * 1000)) : 'at the end'}</dd></div>
        <div><dt>Read</dt><dd>{amount(one.rate_in)}</dd><dd className="connector-unit">{unit}</dd></div>
        <div><dt>Stored</dt><dd>{amount(one.rate_stored)}</dd><dd className="connector-unit">{unit}</dd></div>
        <div><dt>Rejected</dt><dd className={one.rate_rejected > 0 || red ? 'critical-ink' : ''}>{one.rate_rejected > 0 ? amount(one.rate_rejected) : count(one.rejected_total)}</dd><dd className="connector-unit">{one.rate_rejected > 0 ? unit : 'in all'}</dd></div>
      </dl>
      <Rates one={one} />
      <Mix one={one} />
      <div className="connector-error"><span className="label">Last error{one.last_error_at ? `, ${clock(one.last_error_at)}` : ''}</span><span className="mono" title={one.last_error ?? undefined}>{one.last_error ?? 'none'}</span></div>
    </article>
  );
}

/** A rate under one in ten seconds is said by the hour. */
function perTime({ rate_in }: ConnectorStatus): [(n: number) => string, string] {
  return rate_in > 0 && rate_in < 0.1 ? [(n) => count(n * 3600), 'an hour'] : [rate, 'a second'];
}

function Countdown({ until, from }: { until: string; from: string | null }) {
  const now = useNow(1000);
  const left = Math.max(0, Math.ceil((Date.parse(until) - now) / 1000));
  const whole = Math.max(left, from ? (Date.parse(until) - Date.parse(from)) / 1000 : 60, 1);
  const text = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, '0')}`;
  const round = 2 * Math.PI * 22;
  return (
    <svg className="connector-ring" viewBox="0 0 52 52" role="img" aria-label={`next try in ${left} s`}>
      <circle cx="26" cy="26" r="22" fill="none" stroke="var(--line)" strokeWidth="4" />
      <circle cx="26" cy="26" r="22" fill="none" stroke="var(--critical)" strokeWidth="4" strokeDasharray={`${(round * Math.min(1, left / whole)).toFixed(1)} ${round.toFixed(1)}`} transform="rotate(-90 26 26)" strokeLinecap="round" />
      <text x="26" y="30.5" textAnchor="middle">{text}</text>
    </svg>
  );
}

/** Since when, and when it is tried again, in words: the ring beside it is a picture. */
function NextStep({ one }: { one: ConnectorStatus }) {
  const now = useNow(1000);
  const next = nextStep(one, now);
  if (!next) return null;
  const since = one.since ? `Since ${shortTime(one.since, now, true)}, ${duration(Math.max(1000, now - Date.parse(one.since)))}. ` : '';
  return <> {since}<b>{next.charAt(0).toUpperCase() + next.slice(1)}.</b></>;
}

function Rates({ one: { rate_history: history, source, last_record_at } }: { one: ConnectorStatus }) {
  const top = Math.max(1e-9, ...history);
  const tall = (value: number) => (value > 0 ? Math.max(0.4, (value / top) * 28) : 0);
  const bars = history.map((value, index) => `M${index * 10} 30V${(30 - tall(value)).toFixed(1)}H${index * 10 + 8.6}V30Z`).join('');
  return (
    <div className="connector-rates">
      <span className="label">Read, {duration(Math.max(10, history.length * 10) * 1000)}</span>
      <svg viewBox={`0 0 ${Math.max(10, history.length * 10)} 30.5`} preserveAspectRatio="none" role="img" aria-label={`records a second, least ${rate(history.length ? Math.min(...history) : 0)}, most ${rate(history.length ? Math.max(...history) : 0)}`}>
        <path d={bars} fill={`var(--${source})`} opacity="0.75" />
      </svg>
      {last_record_at && <span className="label end">last {clock(last_record_at)}</span>}
    </div>
  );
}

function Mix({ one }: { one: ConnectorStatus }) {
  const parts = mix(one);
  const color = (index: number, rejected: boolean) => `var(--${rejected ? 'critical-fill' : index === 0 ? one.source : (MIX_COLORS[index - 1] ?? 'line3')})`;
  const clocks = clockSays(one);
  const percent = (share: number) => (share > 0 && share < 0.001 ? '< 0.1' : String(Number((share * 100).toFixed(1))));
  return (
    <div>
      <div className="mix" aria-hidden="true">{parts.map(({ name, share, rejected }, index) => <span key={name} style={{ flexGrow: share, background: color(index, rejected) }} />)}</div>
      <ul className="mix-names">{parts.length ? parts.map(({ name, share, rejected }, index) => <li key={name} className="trunc"><i style={{ background: color(index, rejected) }} />{name} {percent(share)} %</li>) : <li>nothing decoded yet</li>}</ul>
      {clocks.length > 0 && <p className="small sec">{clocks.join(', ')}.</p>}
    </div>
  );
}
