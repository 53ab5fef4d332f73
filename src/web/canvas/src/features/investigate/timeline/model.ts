// The timeline as numbers: ranges, steps, ticks, hits. Pure; painting and pointers are elsewhere.

import type { EngineFindings, LaneName, Suspect } from '../../../api/types';
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

/** Least shown before the onset; the leading change is shown too when it is not much older. */
const BEFORE_MIN_MS = 7 * MINUTE;
const BEFORE_MAX_MS = 45 * MINUTE;

/** Onset with what came before it, the change that leads to it included, to the newest that is known. */
export function defaultSpan(findings: Pick<EngineFindings, 'started_at' | 'updated_at'> | null, startedAt: string, updatedAt: string, change: number | null = null): Span {
  const onset = Date.parse(findings?.started_at ?? startedAt);
  const known = Math.max(onset + MINUTE, Date.parse(findings?.updated_at ?? updatedAt));
  const to = Math.min(known + 40_000, onset + 45 * MINUTE);
  const sinceChange = change === null ? 0 : (onset - change) * 1.25;
  return { from: onset - Math.min(BEFORE_MAX_MS, Math.max(BEFORE_MIN_MS, (to - onset) * 1.7, sinceChange)), to };
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

/** Height of a count as a share of a lane: its square root, so that one part in a thousand is seen and a doubling still shows. */
export const heightShare = (count: number, top: number) => (count <= 0 ? 0 : Math.max(0.05, Math.sqrt(count / Math.max(1, top, count))));

/** The change whose distance to the onset matters: the chosen suspect's, else the first that outranks "nothing we can see". */
export function leadingChange(suspects: readonly Suspect[], chosen: Suspect | null): Suspect | null {
  if (chosen?.kind === 'change' && chosen.at) return chosen;
  const nothing = suspects.find(({ kind }) => kind === 'none')?.score ?? 0;
  return suspects.find(({ kind, at, verdict, score }) => kind === 'change' && at && (verdict === 'confirmed' || (verdict !== 'refuted' && score >= nothing))) ?? null;
}
