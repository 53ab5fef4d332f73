import { memo } from 'react';
import { Link } from 'wouter';
import type { InvestigationSummary, SuspectSummary } from '../../api/types';
import { clock, roughDuration, shortId, shortTime, words } from '../../ui/format';
import { Avatar, KindIcon, ScoreBar, SeverityLabel, StatusMark } from '../../ui/marks';
import { Numbers } from '../../ui/RichSentence';
import { Spark } from '../../ui/Spark';
import { lastedMs } from './filters';

interface Props {
  row: InvestigationSummary;
  current: boolean;
  selected: boolean;
  now: number;
  select: (id: string, range: boolean) => void;
}

/** One investigation, two lines a column. */
export const Row = memo(function Row({ row, current, selected, now, select }: Props) {
  const what = row.symptom || row.title;
  const where = [shortId(row.id), row.service_affected, row.services_total ? `${row.hot_services} of ${row.services_total} services` : null].filter(Boolean).join(' · ');
  const state = row.close_reason ? words(row.close_reason) : words(row.status);
  return (
    <div role="row" id={`row-${row.id}`} aria-selected={selected} className={`tr ${current ? 'current' : ''} ${selected ? 'selected' : ''}`}>
      <span role="gridcell" className="c-check"><input type="checkbox" className="check" tabIndex={-1} checked={selected} aria-label={`Select ${what}`} onChange={() => undefined} onClick={(event) => select(row.id, event.shiftKey)} /></span>
      <span role="gridcell" className="c-sev row"><SeverityLabel severity={row.impact_severity} /><span className="dim prio">{row.priority.toUpperCase()}</span></span>
      <span role="gridcell" className="c-what">
        <Link href={`/investigations/${row.id}`} className="tt trunc" title={row.title} tabIndex={-1}><Numbers text={what} /></Link>
        <span className="sb trunc" title={where}>{where}</span>
      </span>
      <FirstSuspect suspect={row.first_suspect} />
      <span role="gridcell" className="c-score">{row.first_suspect ? <ScoreBar value={row.first_suspect.score} /> : <span className="dim">–</span>}</span>
      <span role="gridcell" className="c-spark"><Spark values={row.spark} severity={row.impact_severity} /></span>
      <span role="gridcell" className="c-status row sec"><StatusMark status={row.status} /><span className="trunc" title={state}>{state}</span></span>
      <span role="gridcell" className="c-who"><Avatar name={row.assigned_to} /></span>
      <span role="gridcell" className="c-since">
        <span className="tt" title={`onset ${row.started_at}`}>{shortTime(row.started_at, now)}</span>
        <span className="sb" title={row.recovered_at ? `recovered ${clock(row.recovered_at)}` : undefined}>{roughDuration(lastedMs(row, now))}</span>
      </span>
    </div>
  );
});

function FirstSuspect({ suspect }: { suspect: SuspectSummary | null }) {
  if (!suspect) return <span role="gridcell" className="c-suspect dim">nothing ranked yet</span>;
  const unsure = suspect.kind === 'none' || suspect.score < 0.5;
  const title = unsure ? 'Not sure' : suspect.entity;
  const detail = unsure && suspect.kind !== 'none' ? `best: ${suspect.entity}` : suspect.detail;
  return (
    <span role="gridcell" className="c-suspect row">
      <KindIcon kind={unsure ? 'none' : suspect.kind} />
      <span className="grow">
        <span className="tt trunc" title={title}><Numbers text={title} bold={false} /></span>
        <span className="sb trunc" title={detail}>{detail}</span>
      </span>
    </span>
  );
}
