import { useQuery } from '@tanstack/react-query';
import { AlertTriangle, GraduationCap, Unplug } from 'lucide-react';
import { Link } from 'wouter';
import { useLive } from '../api/live';
import { queries } from '../api/queries';
import { clock, duration } from './format';
import { useNow } from './now';
import { learningText, listed, otherReasons, troubles } from './standing';

const SHOWN = 3;
/** A stream that breaks for a moment is no news. */
const BROKEN_GRACE_MS = 1_500;

/** Whether what is shown is all there is: what is not read and since when, and what is still being learned. Nothing when all is well. */
export function Standing() {
  const now = useNow(1000);
  const { brokenAt } = useLive();
  const { data: health } = useQuery(queries.health());
  const { data: connectors } = useQuery(queries.connectors());
  const unread = troubles(connectors ?? [], now);
  const others = health ? otherReasons(health, now) : [];
  const learning = health ? learningText(health) : null;
  if (brokenAt !== null && now - brokenAt > BROKEN_GRACE_MS) {
    return <div className="banner standing" role="note"><Unplug size={15} aria-hidden="true" /><span className="grow"><b>The server does not answer</b> since {clock(brokenAt)}, {duration(now - brokenAt)}. What is shown is as of then; it is tried again by itself.</span></div>;
  }
  return (
    <>
      {(unread.length > 0 || others.length > 0) && (
        <div className="banner standing" role="note">
          <AlertTriangle size={15} aria-hidden="true" />
          <ul className="grow">
            {others.map((text) => <li key={text}>{text}.</li>)}
            {unread.slice(0, SHOWN).map(({ names, text, why }) => <li key={names.join()} title={why || undefined}><Link className="link" href={`/connectors?c=${encodeURIComponent(names[0] ?? '')}`}>{listed(names)}</Link>{text}.</li>)}
            {unread.length > SHOWN && <li><Link className="link" href="/connectors">More sources</Link> are not read.</li>}
          </ul>
        </div>
      )}
      {learning && <div className="banner info standing" role="note"><GraduationCap size={15} aria-hidden="true" /><span className="grow"><b>Still learning.</b> {learning}</span></div>}
    </>
  );
}
