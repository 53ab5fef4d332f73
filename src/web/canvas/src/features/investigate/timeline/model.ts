// The timeline as numbers: ranges, steps, ticks, hits. Pure; painting and pointers are elsewhere.

import type { EngineFindings, Lane, LaneName, Mark, Suspect } from '../../../api/types';
import { clock, dayText } from '../../../ui/format';

/** Instants in ms since the epoch. */
export interface Span {
  from: number;
  to: number;
}

export const LANES: readonly { lane: LaneName; title: string }[] = [
  { lane: 'changes', title: 'Changes' }, { lane: 'git', title: 'Git' }, { lane: 'ci', title: 'CI' }, { lane: 'metrics', title: 'Metrics' },
  { lane: 'logs', title: 'Logs' }, { lane: 'traces', title: 'Traces' }, { lane: 'manual', title: 'Manual' }, { lane: 'people', title: 'People' },
];

const MINUTE = 60_000;
/** Narrowest and widest view. */
export const SPAN_MIN_MS = 20_000;
export const SPAN_MAX_MS = 40 * 24 * 60 * MINUTE;
/** Widths of a bucket, seconds; all are multiples of the store's 15 s. */
const STEPS_S = [15, 30, 60, 120, 300, 600, 1800, 3600, 10_800, 21_600, 86_400];

/** The width of a bucket at which bars are some 7 px wide. */
export function stepFor(span: Span, widthPx: number): number {
  const wanted = (span.to - span.from) / 1000 / Math.max(20, widthPx / 7);
  return STEPS_S.find((step) => step >= wanted) ?? 86_400;
}

/** What to ask of the API: whole buckets around the view, so that small moves ask the same. */
export function asked(span: Span, stepS: number): { from: string; to: string } {
  const grain = stepS * 8_000;
  return { from: new Date(Math.floor(span.from / grain) * grain).toISOString(), to: new Date(Math.ceil(span.to / grain) * grain).toISOString() };
}

/** Onset with what came before it, to the newest that is known. */
export function defaultSpan(findings: Pick<EngineFindings, 'started_at' | 'updated_at'> | null, startedAt: string, updatedAt: string): Span {
  const onset = Date.parse(findings?.started_at ?? startedAt);
  const known = Math.max(onset + MINUTE, Date.parse(findings?.updated_at ?? updatedAt));
  const to = Math.min(known + 40_000, onset + 45 * MINUTE);
  return { from: onset - Math.max(15 * MINUTE, Math.min(45 * MINUTE, (to - onset) * 1.7)), to };
}

export function parseSpan(from: string | null, to: string | null): Span | null {
  const span = { from: Date.parse(from ?? ''), to: Date.parse(to ?? '') };
  return Number.isFinite(span.from) && Number.isFinite(span.to) && span.to > span.from ? span : null;
}

/** Zooms around `center` by `factor` (under 1: closer), within the limits. */
export function zoomed(span: Span, factor: number, center = (span.from + span.to) / 2): Span {
  const width = Math.max(SPAN_MIN_MS, Math.min(SPAN_MAX_MS, (span.to - span.from) * factor));
  const share = (center - span.from) / (span.to - span.from);
  return { from: center - width * share, to: center + width * (1 - share) };
}

/** Moves the span so that `at` lies inside with a margin; as it is when it already does. */
export function around(span: Span, at: number): Span {
  const width = span.to - span.from;
  if (at >= span.from + width * 0.04 && at <= span.to - width * 0.04) return span;
  return { from: at - width / 2, to: at + width / 2 };
}

export interface Tick {
  at: number;
  text: string;
}

const SECOND = 1000;
const HOUR = 60 * MINUTE;
const TICKS_MS = [1, 2, 5, 10, 15, 30].map((n) => n * SECOND)
  .concat([1, 2, 3, 5, 10, 15, 30].map((n) => n * MINUTE), [1, 2, 3, 6, 12, 24, 48, 168].map((n) => n * HOUR));

/** Round times, at least 64 px apart. */
export function ticks(span: Span, widthPx: number): Tick[] {
  const least = ((span.to - span.from) / Math.max(1, widthPx)) * 64;
  const step = TICKS_MS.find((ms) => ms >= least) ?? 30 * 24 * HOUR;
  const out: Tick[] = [];
  for (let at = Math.ceil(span.from / step) * step; at <= span.to; at += step) {
    out.push({ at, text: step >= 24 * HOUR || (step >= HOUR && at % (24 * HOUR) === 0) ? dayText(at) : clock(at, step < MINUTE) });
  }
  return out;
}

/** Changes of the lane in order, for `[` and `]`. */
export function nextChange(lanes: readonly Lane[], from: number, direction: 1 | -1): Mark | null {
  const marks = lanes.find(({ lane }) => lane === 'changes')?.marks ?? [];
  const sorted = [...marks].sort((a, b) => Date.parse(a.at) - Date.parse(b.at));
  if (direction > 0) return sorted.find(({ at }) => Date.parse(at) > from) ?? null;
  return sorted.reverse().find(({ at }) => Date.parse(at) < from) ?? null;
}

/** Height of a count as a share of a lane: its square root, so that one part in a thousand is seen and a doubling still shows. */
export const heightShare = (count: number, top: number) => (count <= 0 ? 0 : Math.max(0.05, Math.sqrt(count / Math.max(1, top, count))));

/** Marks nearer to each other than `apart` pixels become one with a count. They come sorted by place. */
export function clusters<T extends { x: number }>(sorted: readonly T[], apart: number): (T & { count: number })[] {
  const out: (T & { count: number })[] = [];
  for (const one of sorted) {
    const last = out.at(-1);
    if (last && one.x - last.x < apart) last.count += 1;
    else out.push({ ...one, count: 1 });
  }
  return out;
}

/** Their records are counted, not kept one by one: always bars. */
const COUNTED: ReadonlySet<LaneName> = new Set<LaneName>(['metrics', 'logs', 'traces']);

/** What stands out of a lane of bars. */
export const stands = ({ linked, severity }: Mark) => linked || severity === 'critical' || severity === 'high';

/** Bars where counts say more than marks: a lane of many, or one cut short. */
export const isDense = (lane: Lane) => lane.bars.length > 0 && (COUNTED.has(lane.lane) || lane.marks_cut || lane.total > lane.marks.length * 3 + 40);

/** The mark nearest to a point, within a target of 24 px. */
export function hitMark({ lane, marks }: Pick<Lane, 'lane' | 'marks'>, x: number, y: number, centerY: number, xOf: (ms: number) => number): Mark | null {
  if (Math.abs(y - centerY) > 16) return null;
  let best: { mark: Mark; distance: number } | null = null;
  for (const mark of marks) {
    const from = xOf(Date.parse(mark.at));
    const to = mark.until && lane === 'ci' ? Math.max(from, xOf(Date.parse(mark.until))) : from;
    const distance = x < from ? from - x : x > to ? x - to : 0;
    if (distance <= 12 && (!best || distance < best.distance)) best = { mark, distance };
  }
  return best?.mark ?? null;
}

/** The change whose distance to the onset matters: the chosen suspect's, else the first change's. */
export function leadingChange(suspects: readonly Suspect[], chosen: Suspect | null): Suspect | null {
  if (chosen?.kind === 'change' && chosen.at) return chosen;
  return suspects.find(({ kind, at, verdict }) => kind === 'change' && at && verdict !== 'refuted') ?? null;
}
