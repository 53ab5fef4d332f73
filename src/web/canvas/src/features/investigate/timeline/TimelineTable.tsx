import type { Lane, Mark } from '../../../api/types';
import { clock, count, words } from '../../../ui/format';
import { SeverityLabel } from '../../../ui/marks';
import { isDense } from './marks';
import { LANES, type Span } from './model';

type Line = { at: string; lane: string; mark: Mark } | { at: string; lane: string; items: number; failing: number };

const LINES_MAX = 400;

/** The same as the picture, as text: marks, and the buckets in which something failed. */
export function TimelineTable({ lanes, view, brush, pick }: { lanes: readonly Lane[]; view: Span; brush: Span | null; pick: (mark: Mark) => void }) {
  const range = brush ?? view;
  const within = ({ at }: { at: string }) => Date.parse(at) >= range.from && Date.parse(at) <= range.to;
  const lines = LANES.flatMap(({ lane: name, title }) => {
    const lane = lanes.find((one) => one.lane === name);
    if (!lane) return [];
    const marks: Line[] = lane.marks.filter(within).map((mark) => ({ at: mark.at, lane: title, mark }));
    const bars: Line[] = isDense(lane) ? lane.bars.filter((bar) => within(bar) && bar.failing > 0).map((bar) => ({ ...bar, lane: title })) : [];
    return [...marks, ...bars];
  }).sort((a, b) => a.at.localeCompare(b.at));
  return (
    <div className="timeline-table" tabIndex={0} role="region" aria-label="Timeline as a table">
      <table className="twin">
        <thead><tr><th>Time</th><th>Lane</th><th>What</th><th>Service</th><th>Severity</th><th className="r">Items</th><th className="r">Failing</th></tr></thead>
        <tbody>
          {lines.slice(0, LINES_MAX).map((line, index) => (
            <tr key={index}>
              <td>{clock(line.at)}</td><td>{line.lane}</td>
              {'mark' in line ? <>
                <td>{line.mark.event_id ? <button type="button" className="link" onClick={() => pick(line.mark)}>{line.mark.title}</button> : line.mark.title}</td>
                <td>{line.mark.service ?? '–'}</td><td><SeverityLabel severity={line.mark.severity} /></td><td className="r">1</td><td className="r">–</td>
              </> : <>
                <td>{words(line.lane)} in a bucket</td><td>–</td><td>–</td><td className="r">{count(line.items)}</td><td className="r critical-ink">{count(line.failing)}</td>
              </>}
            </tr>
          ))}
        </tbody>
      </table>
      {!lines.length && <p className="empty">No marks and no failing items {clock(range.from)}–{clock(range.to)}.</p>}
      {lines.length > LINES_MAX && <p className="empty">The first {LINES_MAX} of {count(lines.length)}: zoom in or brush for the rest.</p>}
    </div>
  );
}
