import { useQuery } from '@tanstack/react-query';
import { Link } from 'wouter';
import { queries } from '../../api/queries';
import type { InvestigationSummary, Suspect } from '../../api/types';
import { clock, count, duration, score as scoreText, shortId, words } from '../../ui/format';
import { Kbd } from '../../ui/Kbd';
import { KindIcon, ScoreBar, SeverityLabel, StatusMark } from '../../ui/marks';
import { Numbers, RichSentence } from '../../ui/RichSentence';
import { Failed, GhostRows } from '../../ui/states';

const SUSPECTS = 4;
const LINES = 3;

/** The answer of one investigation beside the list, while the cursor goes on. */
export function Peek({ row, now, close }: { row: InvestigationSummary; now: number; close: () => void }) {
  const { data, error, refetch } = useQuery(queries.investigation(row.id));
  const notes = useQuery(queries.notes(row.id));
  const findings = data?.findings;
  const ranked = [...(findings?.suspects ?? [])].sort((a, b) => b.score - a.score).slice(0, SUSPECTS);
  const end = row.recovered_at ?? row.resolved_at ?? row.closed_at;
  const lasted = (end ? Date.parse(end) : now) - Date.parse(row.started_at);
  return (
    <aside className="pane peek" aria-label="Peek" tabIndex={0}>
      <div className="pane-head">
        <h2 className="mono">{shortId(row.id)}</h2>
        <span className="row end" style={{ gap: 6 }}><Link className="btn small primary" href={`/investigations/${row.id}`}>Open <Kbd keys="Enter" /></Link><button type="button" className="btn ghost small" onClick={close}>Close <Kbd keys="Space" /></button></span>
      </div>
      <div className="peek-body">
        <div className="row small peek-facts"><SeverityLabel severity={row.impact_severity} /><b>{row.priority.toUpperCase()}</b><StatusMark status={row.status} /><span>{words(row.close_reason ?? row.status)}</span><span className="dim end">{end ? 'lasted' : 'lasting'} {duration(lasted)}</span></div>
        <h3 className="peek-title"><RichSentence text={data?.title ?? row.title} bold={false} /></h3>
        {error && <Failed error={error} what="The investigation" retry={() => void refetch()} />}
        {!data && !error && <GhostRows rows={3} />}
        {findings?.where_sentence && <p className="sec"><RichSentence text={findings.where_sentence} /></p>}
        {ranked.length > 0 && <ol className="peek-suspects">{ranked.map((suspect) => <Ranked key={suspect.id} suspect={suspect} />)}</ol>}
        {data && !ranked.length && <p className="dim">No suspects yet.</p>}
        {data && <p className="dim small">{count(data.event_count)} {data.event_count === 1 ? 'event' : 'events'} linked, onset {clock(data.started_at)}, noticed {clock(data.detected_at)}{data.assigned_to ? `, with ${data.assigned_to}` : ', with nobody'}.</p>}
        {notes.data && notes.data.length > 0 && <ul className="peek-notes">{notes.data.slice(-LINES).map((note) => <li key={note.id} className="small"><span className="dim">{clock(note.at ?? note.created_at, false)}</span> <b>{note.author}</b> {note.body.slice(0, 200)}</li>)}</ul>}
      </div>
    </aside>
  );
}

function Ranked({ suspect }: { suspect: Suspect }) {
  const why = suspect.evidence[0]?.sentence ?? suspect.sentence;
  return (
    <li className={suspect.score < 0.5 ? 'weak' : ''} aria-label={`${suspect.entity}, score ${scoreText(suspect.score)}`}>
      <KindIcon kind={suspect.kind} />
      <span className="grow"><b className="trunc" title={suspect.entity}><Numbers text={suspect.entity} bold={false} /></b><span className="small sec"><Numbers text={why} /></span></span>
      <ScoreBar value={suspect.score} />
    </li>
  );
}
