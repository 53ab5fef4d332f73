import { useQuery } from '@tanstack/react-query';
import { useElementSize } from '@mantine/hooks';
import { Table2 } from 'lucide-react';
import { select } from 'd3-selection';
import { zoom, zoomIdentity, type D3ZoomEvent } from 'd3-zoom';
import { useEffect, useMemo, useRef, useState, type PointerEvent } from 'react';
import { queries } from '../../../api/queries';
import type { Lane, LaneName, Mark } from '../../../api/types';
import { clock, duration, shortCount } from '../../../ui/format';
import { Hint, Kbd } from '../../../ui/Kbd';
import { SourceIcon } from '../../../ui/marks';
import { Failed } from '../../../ui/states';
import { hitMark, isDense, pickOf, placed, type Placed } from './marks';
import { LANES, SPAN_MAX_MS, SPAN_MIN_MS, asked, stepFor, zoomed, type Span } from './model';
import { laneTop, paint, paintOverview, sceneHeight, type Scene } from './paint';
import { paletteOf } from './pen';
import { TimelineTable } from './TimelineTable';
import { useUnread } from './useUnread';

interface Props {
  id: string;
  view: Span;
  setView: (span: Span) => void;
  brush: Span | null;
  setBrush: (span: Span | null) => void;
  onset: number | null;
  change: Scene['change'];
  now: number;
  selected: string | null;
  pick: (mark: Mark) => void;
  table: boolean;
  toggleTable: () => void;
  /** Told of the lanes in view, and of those of the overview around it. */
  lanesRead: (lanes: readonly Lane[], whole: boolean) => void;
  dark: boolean;
  /** Marks stand where they were seen instead of where they happened. */
  seen: boolean;
  setSeen: (seen: boolean) => void;
}

const OVERVIEW_PX = 26;
const OVERVIEW_MS = 2 * 3600_000;
const OVERVIEW_STEP_S = 60;

export function Timeline(given: Props) {
  const [view, setView] = useLiveView(given.view, given.setView);
  const props = { ...given, view, setView };
  const { id, brush, setBrush, now, table, toggleTable, lanesRead } = props;
  const { ref, width } = useElementSize<HTMLDivElement>();
  const settled = useSettled(view);
  const step = stepFor(settled, Math.max(320, width));
  const { from, to } = asked(settled, step);
  const { data, error, refetch, dataUpdatedAt, isPlaceholderData } = useQuery(queries.timeline(id, from, to, step));
  useEffect(() => {
    if (data) lanesRead(data.lanes, false);
  }, [data, lanesRead]);
  const lanes = data?.lanes ?? [];
  const unread = useUnread();
  const inBrush = brush ? lanes.reduce((sum, lane) => sum + lane.bars.filter((bar) => Date.parse(bar.at) >= brush.from && Date.parse(bar.at) < brush.to).reduce((items, bar) => items + bar.items, 0), 0) : 0;
  const empty = data && !isPlaceholderData && lanes.every(({ bars, marks }) => !bars.length && !marks.length);
  return (
    <div className="pane timeline" role="region" aria-label="Timeline">
      <div className="pane-head">
        <h2>Timeline</h2>
        <span className="note" style={{ flex: 'none' }}>{clock(view.from, false)}–{clock(view.to, false)} UTC</span>
        <div className="seg small-seg" role="group" aria-label="Time of the marks" title="When it happened, or when whydunit read or found it (w)"><button type="button" aria-pressed={!props.seen} onClick={() => props.setSeen(false)}><span>Event</span><span className="time-word"> time</span></button><button type="button" aria-pressed={props.seen} onClick={() => props.setSeen(true)}><span>Seen</span><span className="time-word"> time</span></button></div>
        {brush && <button type="button" className="token" onClick={() => setBrush(null)} title="Clear the brush (esc)"><span>brush <b>{duration(brush.to - brush.from)}</b>{inBrush > 0 && <span className="wide">, {shortCount(inBrush)} records</span>}</span> ×</button>}
        <span className="row end" style={{ gap: 10 }}>
          <span className="hint wide"><svg width="9" height="12" aria-hidden="true"><path d="M0 12V5H4V12ZM5 12V0H9V12Z" fill="var(--critical-fill)" /></svg>failing part</span>
          <Hint text="change" keys={['[', ']']} className="wide" /><Hint text="zoom" keys={['+', '-']} className="wide" />{!brush && <Hint text="brush" keys={['b']} className="mid" />}
          <button type="button" className="btn ghost small" aria-pressed={table} onClick={toggleTable}><Table2 size={14} aria-hidden="true" />Table <Kbd keys="t" /></button>
        </span>
      </div>
      {error && <Failed error={error} what="The timeline" shownSince={data ? dataUpdatedAt : undefined} retry={() => void refetch()} />}
      {table ? <TimelineTable lanes={lanes} brush={brush} view={view} pick={props.pick} /> : (
        <div ref={ref} className="timeline-plot">
          {width > 0 && <Plot {...props} lanes={lanes} stepMs={(data?.step_s ?? step) * 1000} width={width} unread={unread} now={now} />}
          {empty && <p className="timeline-empty">No events {clock(view.from, false)}–{clock(view.to, false)}. <button type="button" className="link" onClick={() => setView(zoomed(view, 4))}>Widen</button></p>}
        </div>
      )}
    </div>
  );
}

const HAND_OVER_MS = 120;

/** The view while it moves is the timeline's own: the rest of the page hears of it when it stands still. */
function useLiveView(given: Span, hand: (span: Span) => void): [Span, (span: Span) => void] {
  const [live, setLive] = useState<Span | null>(null);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useEffect(() => setLive(null), [given.from, given.to]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const move = (span: Span) => {
    setLive(span);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => hand(span), HAND_OVER_MS);
  };
  return [live ?? given, move];
}

/** The view once it has stood still, so that a zoom asks the server once. */
function useSettled(view: Span): Span {
  const [settled, setSettled] = useState(view);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(view), 140);
    return () => clearTimeout(timer);
  }, [view]);
  return settled;
}

function useCanvas(width: number, height: number, draw: (ctx: CanvasRenderingContext2D) => void) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const element = canvas.current;
    const ctx = element?.getContext('2d');
    if (!element || !ctx) return undefined;
    const frame = requestAnimationFrame(() => {
      const ratio = window.devicePixelRatio || 1;
      if (element.width !== Math.round(width * ratio) || element.height !== Math.round(height * ratio)) {
        element.width = Math.round(width * ratio);
        element.height = Math.round(height * ratio);
      }
      ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
      draw(ctx);
    });
    return () => cancelAnimationFrame(frame);
  });
  return canvas;
}

function Plot({ width, lanes, stepMs, unread, ...props }: Props & { width: number; lanes: readonly Lane[]; stepMs: number; unread: Scene['unread'] }) {
  const narrow = width < 800;
  const gutter = narrow ? 92 : 118;
  const plotWidth = Math.max(60, width - gutter - 16);
  const laneHeight = narrow ? 27 : 31;
  const height = sceneHeight(laneHeight);
  const { view, setView, brush, onset, change, now, selected, dark, seen } = props;
  // The colours are read again when the scheme changes.
  // eslint-disable-next-line react-hooks/exhaustive-deps
  const color = useMemo(() => paletteOf(document.documentElement), [dark]);
  const scene: Scene = { width: plotWidth, laneHeight, span: view, stepMs, lanes, onset, change, now, brush, selected, seen, unread, narrow };
  const canvas = useCanvas(plotWidth, height, (ctx) => paint(ctx, scene, color));
  useZoom(canvas, plotWidth, view, setView);
  const pointer = useBrush(scene, props, laneHeight);
  return (
    <>
      <Overview id={props.id} view={view} setView={setView} now={now} gutter={gutter} width={plotWidth} color={color} lanesRead={props.lanesRead} />
      <div style={{ display: 'grid', gridTemplateColumns: `${gutter}px ${plotWidth}px`, position: 'relative' }}>
        <ul className="lane-names" style={{ paddingTop: laneTop(0, laneHeight) }}>
          {LANES.map(({ lane, title }) => {
            const total = lanes.find((one) => one.lane === lane)?.total;
            return <li key={lane} style={{ height: laneHeight }} title={unread.get(lane)?.why}><SourceIcon source={lane} size={14} /><span className="grow">{title}</span>{!narrow && <span className="dim">{total === undefined ? '' : shortCount(total)}</span>}</li>;
          })}
        </ul>
        <canvas ref={canvas} tabIndex={0} role="img" aria-label={describe(lanes, onset, change)} style={{ width: plotWidth, height, cursor: pointer.hover ? 'pointer' : 'crosshair', touchAction: 'pan-y' }} {...pointer.handlers} />
        {pointer.hover && <Tip placed={pointer.hover.found} x={gutter + pointer.hover.x} y={pointer.hover.y} width={width} />}
      </div>
    </>
  );
}

function describe(lanes: readonly Lane[], onset: number | null, change: Scene['change']): string {
  const parts = LANES.map(({ lane, title }) => `${title} ${shortCount(lanes.find((one) => one.lane === lane)?.total ?? 0)}`);
  const distance = onset !== null && change ? ` ${change.name}, ${duration(onset - change.at)} before the onset.` : '';
  return `Timeline.${onset === null ? '' : ` Onset ${clock(onset)}.`}${distance} ${parts.join(', ')}. Press t for the table.`;
}

/** Wheel, pinch and shift-drag move and zoom the view. */
function useZoom(canvas: React.RefObject<HTMLCanvasElement | null>, width: number, view: Span, setView: (span: Span) => void) {
  const latest = useRef({ view, setView });
  latest.current = { view, setView };
  useEffect(() => {
    const element = canvas.current;
    if (!element) return undefined;
    const target = select<HTMLCanvasElement, unknown>(element);
    // Each gesture starts from the view as it is then: transform and view cannot drift apart.
    let base = latest.current.view;
    const behaviour = zoom<HTMLCanvasElement, unknown>()
      .filter((event: MouseEvent | WheelEvent | TouchEvent) => (event.type === 'mousedown' ? (event as MouseEvent).shiftKey || (event as MouseEvent).button === 1 : event.type !== 'dblclick'))
      .scaleExtent([1e-4, 1e4])
      .on('start', () => {
        base = latest.current.view;
        element.__zoom = zoomIdentity;
      })
      .on('zoom', (event: D3ZoomEvent<HTMLCanvasElement, unknown>) => {
        if (!event.sourceEvent) return;
        const { k, x } = event.transform;
        const perPx = (base.to - base.from) / width;
        const from = base.from - (x / k) * perPx;
        const span = { from, to: from + (base.to - base.from) / k };
        const wide = span.to - span.from;
        if (wide >= SPAN_MIN_MS && wide <= SPAN_MAX_MS) latest.current.setView(span);
      });
    target.call(behaviour);
    const sideways = (event: WheelEvent) => {
      if (event.ctrlKey || Math.abs(event.deltaX) <= Math.abs(event.deltaY)) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      const { view: now, setView: set } = latest.current;
      const by = (event.deltaX / width) * (now.to - now.from);
      set({ from: now.from + by, to: now.to + by });
    };
    element.addEventListener('wheel', sideways, { passive: false, capture: true });
    return () => {
      target.on('.zoom', null);
      element.removeEventListener('wheel', sideways, { capture: true });
    };
  }, [canvas, width]);
}

declare global {
  interface HTMLCanvasElement {
    __zoom?: unknown;
  }
}

/** A drag is a brush, a click picks the nearest mark, else clears. */
function useBrush(scene: Scene, { setBrush, pick }: Pick<Props, 'setBrush' | 'pick'>, laneHeight: number) {
  const start = useRef<number | null>(null);
  const [hover, setHover] = useState<{ found: Placed; x: number; y: number } | null>(null);
  const { span, width, seen } = scene;
  const xOf = (ms: number) => ((ms - span.from) / (span.to - span.from)) * width;
  const timeAt = (x: number) => span.from + (Math.max(0, Math.min(width, x)) / width) * (span.to - span.from);
  const markAt = (x: number, y: number) => {
    for (const [index, { lane: name }] of LANES.entries()) {
      const lane = scene.lanes.find((one) => one.lane === name);
      const top = laneTop(index, laneHeight);
      const middle = lane && isDense(lane) ? top + 8 : top + laneHeight / 2;
      const found = lane && Math.abs(y - middle) <= 16 ? hitMark(placed(lane, { xOf, width, seen, leading: scene.change?.at ?? null }), x) : null;
      if (found) return { found, x: found.x, y: top + laneHeight };
    }
    return null;
  };
  const handlers = {
    onPointerDown: (event: PointerEvent<HTMLCanvasElement>) => {
      if (event.button !== 0 || event.shiftKey || event.pointerType === 'touch') return;
      start.current = event.nativeEvent.offsetX;
      event.currentTarget.setPointerCapture(event.pointerId);
    },
    onPointerMove: (event: PointerEvent<HTMLCanvasElement>) => {
      const { offsetX, offsetY } = event.nativeEvent;
      if (start.current !== null && Math.abs(offsetX - start.current) > 4) {
        setHover(null);
        const ends = [timeAt(start.current), timeAt(offsetX)].sort((a, b) => a - b);
        setBrush({ from: ends[0] ?? 0, to: ends[1] ?? 0 });
      } else setHover(markAt(offsetX, offsetY));
    },
    onPointerUp: (event: PointerEvent<HTMLCanvasElement>) => {
      const { offsetX, offsetY } = event.nativeEvent;
      const moved = start.current !== null && Math.abs(offsetX - start.current) > 4;
      start.current = null;
      if (moved) return;
      const hit = markAt(offsetX, offsetY);
      if (hit) pick(pickOf(hit.found, scene.selected));
      else if (event.button === 0 && event.pointerType !== 'touch') setBrush(null);
    },
    onPointerLeave: () => setHover(null),
  };
  return { hover, handlers };
}

const TIP_LINES = 4;

function Tip({ placed: { mark, all }, x, y, width }: { placed: Placed; x: number; y: number; width: number }) {
  const left = Math.max(8, Math.min(width - 288, x - 20));
  const late = Date.parse(mark.seen_at) - Date.parse(mark.at);
  return (
    <div className="tip" style={{ left, top: y + 2 }} role="tooltip">
      {all.slice(0, TIP_LINES).map((one, index) => <b key={index}>{one.title}</b>)}
      {all.length > TIP_LINES && <b>and {all.length - TIP_LINES} more</b>}
      <span className="dim">{clock(mark.at)}{mark.until ? `–${clock(mark.until)}` : ''}{mark.service ? ` · ${mark.service}` : ''} · {mark.event_type.replace(/_/g, ' ')}{late > 1000 ? ` · seen ${duration(late)} later` : ''}</span>
    </div>
  );
}

/** The last two hours; a drag moves the view. */
function Overview({ id, view, setView, now, gutter, width, color, lanesRead }: Pick<Props, 'id' | 'view' | 'setView' | 'now' | 'lanesRead'> & { gutter: number; width: number; color: ReturnType<typeof paletteOf> }) {
  // Two hours that hold the view; moved only by whole minutes, so that it is asked for once a minute.
  const end = Math.ceil(Math.max(Math.min(now, view.to + OVERVIEW_MS / 4), view.to) / 60_000) * 60_000;
  const whole: Span = { from: end - Math.max(OVERVIEW_MS, (view.to - view.from) * 1.3), to: end };
  const step = whole.to - whole.from > OVERVIEW_MS * 1.5 ? stepFor(whole, width) : OVERVIEW_STEP_S;
  const { data } = useQuery(queries.timeline(id, new Date(whole.from).toISOString(), new Date(whole.to).toISOString(), step));
  useEffect(() => {
    if (data) lanesRead(data.lanes, true);
  }, [data, lanesRead]);
  const canvas = useCanvas(width, OVERVIEW_PX, (ctx) => paintOverview(ctx, data?.lanes ?? [], whole, view, (data?.step_s ?? step) * 1000, width, OVERVIEW_PX, color));
  const move = (event: PointerEvent<HTMLCanvasElement>) => {
    if (event.buttons === 0) return;
    event.currentTarget.setPointerCapture(event.pointerId);
    const at = whole.from + (event.nativeEvent.offsetX / width) * (whole.to - whole.from);
    const half = (view.to - view.from) / 2;
    setView({ from: at - half, to: at + half });
  };
  return (
    <div style={{ display: 'grid', gridTemplateColumns: `${gutter}px ${width}px`, alignItems: 'center' }}>
      <span className="label">{duration(whole.to - whole.from)}</span>
      <canvas ref={canvas} aria-hidden="true" style={{ width, height: OVERVIEW_PX, cursor: 'grab', touchAction: 'none' }} onPointerDown={move} onPointerMove={move} />
    </div>
  );
}

export type { LaneName };
