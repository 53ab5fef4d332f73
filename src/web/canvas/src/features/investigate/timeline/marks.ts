// Single events as they are drawn: what belongs together joined, what lies together clustered. Pure.

import type { Lane, LaneName, Mark, Severity } from '../../../api/types';

/** One thing that happened. A build or deployment is one, from its start to its end. */
export interface Joined extends Mark {
  /** Events it is made of. */
  ids: readonly string[];
  /** Its end was seen, or it has none. */
  done: boolean;
}

/** Steps further apart than this are two runs, ms. */
const RUN_MAX_MS = 6 * 3_600_000;
const ENDED = /(success|succeeded|failed|failure|error|cancelled|canceled|inactive|skipped)$|build_(succeeded|failed)/;
const STEPPED = /^(build_|deployment|rollback)/;

/** `Deployment of payment 9c41e07 to production: created` and `…: success` are one run. */
const runOf = ({ event_type, title, service }: Mark) => (STEPPED.test(event_type) && title.includes(': ') ? `${service}\0${title.slice(0, title.lastIndexOf(': '))}` : null);

export function joined(marks: readonly Mark[]): Joined[] {
  const out: Joined[] = [];
  const open = new Map<string, number>();
  for (const mark of [...marks].sort((a, b) => Date.parse(a.at) - Date.parse(b.at))) {
    const ids = mark.event_id === null ? [] : [mark.event_id];
    const run = runOf(mark);
    const done = run === null || ENDED.test(mark.title) || ENDED.test(mark.event_type);
    const at = run === null ? undefined : open.get(run);
    const before = at === undefined ? undefined : out[at];
    if (at !== undefined && before && Date.parse(mark.at) - Date.parse(before.at) < RUN_MAX_MS) {
      // The event to show is the linked one, else the last.
      const shown = before.linked && !mark.linked ? before.event_id : mark.event_id;
      out[at] = { ...mark, event_id: shown, at: before.at, seen_at: before.seen_at, until: mark.until ?? mark.at, linked: before.linked || mark.linked, ids: [...before.ids, ...ids], done };
    } else if (run !== null) open.set(run, out.push({ ...mark, ids, done }) - 1);
    else out.push({ ...mark, ids, done });
    if (run !== null && done) open.delete(run);
  }
  return out;
}

/** Their records are counted, not kept one by one: always bars. */
const COUNTED: ReadonlySet<LaneName> = new Set<LaneName>(['metrics', 'logs', 'traces']);

/** Bars where counts say more than marks: a lane of many, or one cut short. */
export const isDense = (lane: Lane) => lane.bars.length > 0 && (COUNTED.has(lane.lane) || lane.marks_cut || lane.total > lane.marks.length * 3 + 40);

/** A mark, or several that lie together, with its place in pixels. */
export interface Placed {
  /** The one that stands for all: the most severe, the leading change before any. */
  mark: Joined;
  x: number;
  /** Where it ends; `x` for what has no length. */
  end: number;
  /** Where it happened when `x` is where it was seen. */
  tail: number;
  all: readonly Joined[];
}

export interface Placing {
  xOf: (ms: number) => number;
  width: number;
  /** Placed by when whydunit saw it. */
  seen: boolean;
  /** Time of the change that the page speaks of, ms. */
  leading: number | null;
}

/** Nearer than this, marks of a lane become one, pixels. */
const APART: Partial<Record<LaneName, number>> = { people: 17, git: 9, changes: 11, metrics: 11, logs: 11, traces: 11, manual: 9 };
const ORDER: readonly Severity[] = ['info', 'low', 'medium', 'high', 'critical'];

export const isLeading = (mark: Pick<Mark, 'at'>, leading: number | null) => leading !== null && Math.abs(Date.parse(mark.at) - leading) < 1000;

/** The marks of a lane in sight, from left to right. In a lane of bars only what belongs to the investigation stands out. */
export function placed(lane: Lane, { xOf, width, seen, leading }: Placing): Placed[] {
  const marks = joined(isDense(lane) ? lane.marks.filter(({ linked }) => linked) : lane.marks);
  const long = !seen && (lane.lane === 'ci' || lane.lane === 'changes');
  const places = marks.map((mark) => {
    const tail = xOf(Date.parse(mark.at));
    const x = seen ? xOf(Date.parse(mark.seen_at)) : tail;
    return { mark, x, tail, end: long && mark.until ? Math.max(x, xOf(Date.parse(mark.until))) : x, all: [mark] };
  });
  const inSight = places.filter(({ x, end }) => end > -8 && x > (lane.lane === 'ci' ? -width : -40) && x < width + 8).sort((a, b) => a.x - b.x);
  const apart = APART[lane.lane] ?? 0;
  const rank = (mark: Joined) => (isLeading(mark, leading) && lane.lane === 'changes' ? 100 : ORDER.indexOf(mark.severity) + (mark.linked ? 10 : 0));
  const out: Placed[] = [];
  for (const one of inSight) {
    const last = out.at(-1);
    if (!last || one.x - last.x >= apart) out.push(one);
    else {
      const first = rank(one.mark) > rank(last.mark) ? one : last;
      out[out.length - 1] = { ...first, x: isLeading(first.mark, leading) ? first.x : last.x, all: [...last.all, ...one.all] };
    }
  }
  return out;
}

/** The mark nearest to a point of its lane, within a target of 24 px. */
export function hitMark(marks: readonly Placed[], x: number): Placed | null {
  let best: { one: Placed; distance: number } | null = null;
  for (const one of marks) {
    const distance = x < one.x ? one.x - x : x > one.end ? x - one.end : 0;
    if (distance <= 12 && (!best || distance < best.distance)) best = { one, distance };
  }
  return best?.one ?? null;
}

/** Which of several marks a click means: the one that stands for all, then the next with each click. */
export function pickOf({ mark, all }: Placed, selected: string | null): Joined {
  const at = all.findIndex(({ ids }) => selected !== null && ids.includes(selected));
  return at < 0 ? mark : (all[(at + 1) % all.length] ?? mark);
}

/** Changes in order, for `[` and `]`; lanes of several ranges may overlap. */
export function nextChange(lanes: readonly Lane[], from: number, direction: 1 | -1): Joined | null {
  const all = lanes.filter(({ lane }) => lane === 'changes').flatMap(({ marks: some }) => some);
  const marks = joined([...new Map(all.map((mark) => [mark.event_id ?? mark.at, mark])).values()]);
  if (direction > 0) return marks.find(({ at }) => Date.parse(at) > from) ?? null;
  return [...marks].reverse().find(({ at }) => Date.parse(at) < from) ?? null;
}
