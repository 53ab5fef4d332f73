import { useElementSize } from '@mantine/hooks';
import { Suspense, lazy, useState, type RefObject } from 'react';
import type { Signal } from '../../../api/types';
import { clock, count, unitText, value } from '../../../ui/format';
import { Hint } from '../../../ui/Kbd';
import { Empty } from '../../../ui/states';
import type { Span } from '../timeline/model';
import { USUAL_SURPRISE, chartSpan, meanWithin, moved, movement, nameOf } from './moved';

const Chart = lazy(() => import('./Chart'));

interface Props {
  paneRef: RefObject<HTMLElement | null>;
  signals: readonly Signal[];
  service: string | null;
  view: Span;
  brush: Span | null;
  onset: number | null;
  change: number | null;
  dark: boolean;
  selected: string | null;
  pick: (eventId: string) => void;
  table: boolean;
  toggleTable: () => void;
}

const FIRST = 4;
const FIGURE_MAX_PX = 150;

/** The metrics that moved most, over the same time as the timeline. */
export function Moved({ paneRef, signals, service, pick, view, table, toggleTable, ...rest }: Props) {
  const [all, setAll] = useState(false);
  const drawn = moved(signals, service);
  const shown = all ? drawn : drawn.slice(0, FIRST);
  const span = chartSpan(shown, view, [rest.onset, rest.change]);
  return (
    <section className="pane moved" aria-label="Metrics that moved" ref={paneRef} tabIndex={-1}>
      <div className="pane-head">
        <h2 title="By surprise S: minus the power of ten of how likely it is by chance">Moved most</h2>
        <span className="row end" style={{ gap: 6 }}>{drawn.length > FIRST && <button type="button" className="btn ghost small" onClick={() => setAll(!all)}>{all ? 'Fewer' : `${shown.length} of ${drawn.length}`}</button>}<button type="button" className="btn ghost small" aria-pressed={table} onClick={toggleTable}>Table</button><span className="wide"><Hint text="" keys={['m']} /></span></span>
      </div>
      {table ? <MovedTable signals={signals} pick={pick} /> : shown.length ? <>
        <div className={`charts ${all ? 'all' : ''}`} style={{ height: shown.length * FIGURE_MAX_PX }} tabIndex={0} role="region" aria-label="Charts">{shown.map((signal) => <Figure key={`${signal.service.service}\0${signal.key}`} signal={signal} pick={pick} view={span} {...rest} />)}</div>
        <div className="chart-axis dim" aria-hidden="true"><span>{clock(span.from)}</span><span>{clock(span.to)}</span></div>
      </> : <Empty title={signals.length ? 'No series kept' : `Nothing moved above S ${USUAL_SURPRISE}`}>{signals.length > 0 && <span>{count(signals.length)} signals without a series: see the table.</span>}</Empty>}
    </section>
  );
}

function Figure({ signal, pick, selected, view, brush, onset, change, dark }: { signal: Signal } & Omit<Props, 'signals' | 'service' | 'paneRef' | 'table' | 'toggleTable'>) {
  const { ref, width, height } = useElementSize<HTMLDivElement>();
  const usual = signal.surprise < USUAL_SURPRISE;
  const name = nameOf(signal);
  const within = brush && meanWithin(signal, brush);
  const values = signal.series.map(({ value: y }) => y);
  return (
    <figure className={signal.event_id === selected ? 'picked' : ''}>
      <figcaption>
        <button type="button" className="figure-name trunc" title={`${name}: ${signal.sentence}`} onClick={() => pick(signal.event_id)}>{name}</button>
        <span className="dim small">S {Math.round(signal.surprise)}</span>
        <span className="figure-move trunc" title={signal.sentence}>{movement(signal)}{usual ? ', usual' : ''}{within === null ? '' : `, ${value(within)} in the brush`}</span>
      </figcaption>
      <div ref={ref} className="figure-plot" role="img" aria-label={`${name}: from ${value(values[0] ?? 0)} to ${value(values.at(-1) ?? 0)} ${unitText(signal.unit)}, most ${value(Math.max(...values))}`}>
        <Suspense>{width > 0 && <Chart points={signal.series} width={Math.floor(width)} height={Math.floor(height)} view={view} brush={brush} onset={onset} change={change} color={usual ? 'ink2' : 'metrics'} usual={signal.facts.value_before} dark={dark} />}</Suspense>
      </div>
    </figure>
  );
}

function MovedTable({ signals, pick }: { signals: readonly Signal[]; pick: (eventId: string) => void }) {
  return (
    <div style={{ overflow: 'auto', flex: 1 }} tabIndex={0} role="region" aria-label="Signals as a table">
      <table className="twin">
        <thead><tr><th>Signal</th><th className="r">S</th><th className="r">Since</th></tr></thead>
        <tbody>{signals.map((signal, index) => <tr key={index}><td><button type="button" className="link" onClick={() => pick(signal.event_id)}>{signal.service.service}: {signal.key}</button><br /><span className="sec">{signal.sentence || movement(signal)}</span></td><td className="r">{Math.round(signal.surprise)}</td><td className="r">{clock(signal.onset)}</td></tr>)}</tbody>
      </table>
    </div>
  );
}
