import { useEffect, useRef, useState } from 'react';
import type { EngineFindings, Suspect, Verdict } from '../../../api/types';
import { clock, duration, score as scoreText, words } from '../../../ui/format';
import { Hint, Kbd } from '../../../ui/Kbd';
import { Numbers, RichSentence } from '../../../ui/RichSentence';
import { reveal } from '../../../ui/scroll';
import { Empty, Notice } from '../../../ui/states';
import { lifeLine } from './life';
import { suspectGroups } from './ranking';

interface Props {
  findings: EngineFindings | null;
  now: number;
  current: string | null;
  choose: (id: string) => void;
  prove: (suspect: Suspect) => void;
  judge: (suspect: Suspect, verdict: Verdict) => void;
  /** Shows what the current suspect, a change, changed. */
  diff: () => void;
}

/** Beyond these, weak ones fold into one line. */
const WEAK = 0.05;

export function Suspects({ findings, now, current, choose, prove, judge, diff }: Props) {
  const [all, setAll] = useState(false);
  const groups = suspectGroups(findings?.suspects ?? []);
  const total = findings?.suspects.length ?? 0;
  const age = findings ? Math.max(0, now - Date.parse(findings.updated_at)) : 0;
  return (
    <section className="pane suspects" aria-label="Suspects">
      <div className="pane-head">
        <h2>Suspects</h2>
        {findings && <span className="note" title={`revision ${findings.revision}`}>{total}, ranked {age < 1000 ? 'just now' : `${duration(age)} ago`}</span>}
        <span className="end"><Hint text="next" keys={['j', 'k']} /></span>
      </div>
      <div className="suspect-list" tabIndex={0} role="region" aria-label="Ranked suspects">
        {findings && findings.learning.length > 0 && <Learning lines={findings.learning} />}
        {findings?.where_sentence && <div className="where"><span className="label">Where</span><p><RichSentence text={findings.where_sentence} highlights={findings.hot_services.slice(0, 1).map((text) => ({ text, render: (found: string) => <b>{found}</b> }))} /></p></div>}
        {!findings && <Empty title="Nothing found yet"><span>A person opened this one. Suspects appear when something measured belongs to it.</span></Empty>}
        {findings && !total && <Empty title="Nothing we can see"><span>No change and no service stands out. Looked at: {findings.services_total} services and {findings.signals.length} signals{findings.opened_because ? `; opened because ${findings.opened_because}` : ''}.</span></Empty>}
        {groups.map(({ title, suspects }, index) => {
          const shown = all ? suspects : suspects.filter(({ score, kind, id }, at) => at < 2 || score > WEAK || kind === 'none' || id === current);
          const hidden = suspects.length - shown.length;
          return (
            <div key={title} className="suspect-group" role="group" aria-label={title}>
              {index > 0 && <h3 className="label">{title}</h3>}
              {shown.map((suspect) => suspect.kind === 'none'
                ? <Nothing key={suspect.id} suspect={suspect} current={suspect.id === current} choose={choose} />
                : <Card key={suspect.id} suspect={suspect} current={suspect.id === current} choose={choose} prove={prove} judge={judge} diff={diff} />)}
              {hidden > 0 && <button type="button" className="suspect-more" onClick={() => setAll(true)}>{hidden} more under {scoreText(WEAK)}</button>}
            </div>
          );
        })}
      </div>
    </section>
  );
}

function Learning({ lines }: { lines: readonly string[] }) {
  const [first, ...rest] = lines;
  return <div className="learning"><Notice><b>Still learning.</b> <span title={lines.join('\n')}>{first}{rest.length ? ` And ${rest.length} more.` : ''}</span></Notice></div>;
}

function useIntoView(current: boolean) {
  const ref = useRef<HTMLElement>(null);
  useEffect(() => {
    if (current) reveal(ref.current?.closest<HTMLElement>('.suspect-list'), ref.current);
  }, [current]);
  return ref;
}

function Card({ suspect, current, choose, prove, judge, diff }: { suspect: Suspect; current: boolean } & Pick<Props, 'choose' | 'prove' | 'judge' | 'diff'>) {
  const ref = useIntoView(current);
  const by = [suspect.author, suspect.at ? clock(suspect.at) : null, suspect.author || suspect.at ? null : suspect.kind].filter(Boolean).join(', ');
  const sure = suspect.score >= 0.5;
  const life = lifeLine(suspect.life ?? []);
  const lines = [...suspect.evidence.map((one) => ({ ...one, against: false })), ...suspect.counter_evidence.map((one) => ({ ...one, against: true }))];
  const shown = current ? lines : lines.filter(({ against }, index) => index === 0 || (against && lines[index - 1]?.against !== true));
  return (
    <article ref={ref} className={`card ${current ? 'current' : ''} ${sure ? 'sure' : ''} ${suspect.verdict}`} aria-current={current ? 'true' : undefined} aria-label={`${suspect.entity}, score ${scoreText(suspect.score)}`} onClick={() => choose(suspect.id)}>
      <div className="card-head">
        <span className="rank">{suspect.rank}</span>
        <b className="trunc card-name" title={suspect.entity}><Numbers text={suspect.entity} bold={false} /></b>
        <span className="dim trunc small card-by" title={by}>{by}</span>
        <span className="card-score" title={`score ${suspect.score.toFixed(3)}`}>{scoreText(suspect.score)}</span>
      </div>
      {suspect.verdict !== 'suspect' && <p className={`verdict ${suspect.verdict}`}>{words(suspect.verdict)}{suspect.verdict_by ? ` by ${suspect.verdict_by}` : ''}{suspect.verdict_comment ? `: ${suspect.verdict_comment}` : ''}</p>}
      {current && life && <p className="sec small" title={life}>{life}</p>}
      {current && suspect.diff_hint && <DiffHint text={suspect.diff_hint} />}
      {suspect.factors.length > 0 && <Meters factors={suspect.factors} strong={current && sure} />}
      <ul className="evidence">
        {shown.map(({ sentence, against }, index) => <li key={index} className={against ? 'against' : ''}><span className="sr-only">{against ? 'against: ' : 'for: '}</span><span><Numbers text={sentence} /></span></li>)}
        {!lines.length && suspect.sentence && <li><span><Numbers text={suspect.sentence} /></span></li>}
      </ul>
      {current && (
        <div className="card-acts">
          <button type="button" className="btn primary" onClick={() => prove(suspect)}>Show proof <Kbd keys="Enter" /></button>
          <button type="button" className="btn" aria-pressed={suspect.verdict === 'confirmed'} onClick={() => judge(suspect, suspect.verdict === 'confirmed' ? 'suspect' : 'confirmed')}>{suspect.verdict === 'confirmed' ? 'Take back' : 'Confirm'} <Kbd keys="y" /></button>
          <button type="button" className="btn" aria-pressed={suspect.verdict === 'refuted'} onClick={() => judge(suspect, suspect.verdict === 'refuted' ? 'suspect' : 'refuted')}>{suspect.verdict === 'refuted' ? 'Take back' : 'Refute'} <Kbd keys="n" /></button>
          {suspect.kind === 'change' && suspect.event_id && <button type="button" className="btn ghost end wide" onClick={diff}>Diff <Kbd keys="d" /></button>}
        </div>
      )}
    </article>
  );
}

/** `pool.max: 40 → 8` with what went and what came. */
function DiffHint({ text }: { text: string }) {
  const match = /^(.*?)(\S+)\s*→\s*(.+)$/s.exec(text);
  return <div className="diff" title={text}>{match ? <>{match[1]}<del>{match[2]}</del> → <ins>{match[3]}</ins></> : text}</div>;
}

function Meters({ factors, strong }: { factors: Suspect['factors']; strong: boolean }) {
  return (
    <dl className="meters" aria-label="Score by factor">
      {factors.slice(0, 6).map(({ name, value }) => (
        <div key={name}>
          <dt className="trunc" title={name}>{name}</dt><dd>{scoreText(value)}</dd>
          <svg height="4" width="100%" aria-hidden="true"><rect width="100%" height="4" rx="2" fill="var(--line)" /><rect width={`${Math.max(0, Math.min(1, value)) * 100}%`} height="4" rx="2" fill={strong ? 'var(--accent)' : 'var(--ink2)'} /></svg>
        </div>
      ))}
    </dl>
  );
}

function Nothing({ suspect, current, choose }: { suspect: Suspect; current: boolean; choose: (id: string) => void }) {
  const ref = useIntoView(current);
  const strong = suspect.score >= 0.5;
  return (
    <article ref={ref} className={`nothing ${current ? 'current' : ''}`} aria-current={current ? 'true' : undefined} onClick={() => choose(suspect.id)}>
      <div className="row"><span className="rank">–</span><span className="grow trunc">{strong ? <b>Nothing we can see</b> : 'Nothing we can see'}</span><b>{scoreText(suspect.score)}</b></div>
      {(current || strong) && suspect.sentence && <p className="sec">{suspect.sentence}</p>}
      {(current || strong) && suspect.evidence.map(({ sentence }) => <p className="sec" key={sentence}>{sentence}</p>)}
    </article>
  );
}
