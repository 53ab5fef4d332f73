import { Fragment } from 'react';
import type { DeadLetter } from '../../api/types';
import { bytes as bytesText, clock, count } from '../../ui/format';
import { Json } from '../../ui/Json';
import { bytesOf, fieldAtFault, hexDump, looseText, prettyText, textOf } from './bytes';
import { lastTime } from './runs';

export type LetterView = 'raw' | 'hex' | 'pretty';

/** One record as it came, its headers and why it was rejected. */
export function Letter({ letter, bytes, view }: { letter: DeadLetter; bytes: Uint8Array; view: LetterView }) {
  const exact = textOf(bytes);
  const text = exact ?? looseText(bytes);
  const pretty = view === 'pretty' ? prettyText(exact) : null;
  const shown = view === 'hex' ? hexDump(bytes) : (pretty ?? text);
  const fault = fieldAtFault(letter.error_message, text);
  const key = letter.key_base64 === null ? null : looseText(bytesOf(letter.key_base64));
  return (
    <div className="letter">
      <div className="row small letter-caption"><span className="label">As it came, {bytesText(letter.value_bytes)}{view === 'pretty' && pretty === null ? ', not JSON' : ''}</span><span className="label end trunc" title={key ?? undefined}>{letter.payload !== 'shown' ? '' : key === null ? 'no key' : `key ${key}`}</span></div>
      {letter.payload === 'hidden' ? <p className="empty">Its bytes are hidden: they may hold secrets. Who shows them is logged.</p> : letter.payload === 'not_kept' ? <p className="empty">Its bytes were not kept. A replay reads the record from the broker again.</p> : letter.value_base64 === null ? <p className="empty">This record has no value: a tombstone.</p> : <pre className="code letter-code" tabIndex={0} aria-label="Value" role="region">{view === 'hex' ? shown : <Lines text={shown} fault={fault} />}</pre>}
      <dl className="kv letter-facts">
        <div><dt>Reason</dt><dd><b>{letter.error_message}</b></dd></div>
        <div><dt>Class</dt><dd>{letter.error_class.replace(/_/g, ' ')}, read as {letter.format}</dd></div>
        {letter.bad_items.length > 0 && <div><dt>Bad items</dt><dd>{letter.bad_items.slice(0, 50).join(', ')}{letter.bad_items.length > 50 ? ' …' : ''}: the others were kept</dd></div>}
        <div><dt>Position</dt><dd className="mono">{letter.topic} / {letter.partition} / {letter.offset} <span className="dim">cluster {letter.cluster}, incarnation {letter.incarnation}</span></dd></div>
        <div><dt>Tries</dt><dd>{count(letter.attempts)}, first {clock(letter.first_failed_at)}, last {clock(letter.last_failed_at)}</dd></div>
        <div><dt>Replays</dt><dd>{lastTime(letter)}</dd></div>
      </dl>
      <h3 className="label">Headers</h3>
      {letter.headers.length ? (
        <table className="twin letter-headers"><tbody>{letter.headers.map(({ name, value }, index) => <tr key={index}><th scope="row" className="mono">{name}</th><td className="mono">{value ?? <span className="dim">null</span>}</td></tr>)}</tbody></table>
      ) : <p className="dim small">none</p>}
    </div>
  );
}

function Lines({ text, fault }: { text: string; fault: string | null }) {
  return <>{text.split('\n').slice(0, 2_000).map((line, index) => <Fragment key={index}>{fault && line.includes(`"${fault}"`) && text.includes('\n') ? <span className="letter-fault">{line}</span> : <Json text={line} />}{'\n'}</Fragment>)}</>;
}
