import { useEffect, useRef } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { SeriesPoint } from '../../../api/types';
import type { Span } from '../timeline/model';

interface Props {
  points: readonly SeriesPoint[];
  width: number;
  height: number;
  view: Span;
  brush: Span | null;
  onset: number | null;
  change: number | null;
  /** Name of the colour variable of the line. */
  color: string;
  usual: number | null;
  dark: boolean;
}

/** One small line over the view of the timeline, with the onset, the change and the brush on it. */
export default function Chart(props: Props) {
  const { points, width, height, dark } = props;
  const place = useRef<HTMLDivElement>(null);
  const latest = useRef(props);
  latest.current = props;
  const plot = useRef<uPlot | null>(null);
  useEffect(() => {
    if (!place.current || width < 20 || height < 16) return undefined;
    const color = colorReader();
    const made = new uPlot({
      width, height, legend: { show: false }, cursor: { show: false }, padding: [4, 2, 3, 0],
      scales: { x: { time: true, range: () => [latest.current.view.from / 1000, latest.current.view.to / 1000] }, y: { range: (_, low, high) => padded(low, high) } },
      axes: [{ show: false }, { show: false }],
      series: [{}, { stroke: color(latest.current.color), width: 1.6, points: { show: false }, spanGaps: false }],
      hooks: { drawClear: [(chart) => drawBack(chart, latest.current, color)], draw: [(chart) => drawFront(chart, latest.current, color)] },
    }, [points.map(({ at }) => Date.parse(at) / 1000), points.map(({ value: y }) => y)], place.current);
    plot.current = made;
    return () => {
      plot.current = null;
      made.destroy();
    };
  }, [points, width, height, dark]);
  const { view, brush, onset, change } = props;
  useEffect(() => plot.current?.setScale('x', { min: view.from / 1000, max: view.to / 1000 }), [view, brush, onset, change]);
  return <div ref={place} style={{ width, height }} />;
}

function padded(low: number | null, high: number | null): [number, number] {
  const from = Math.min(0, low ?? 0);
  const to = high ?? 1;
  return [from, to > from ? to + (to - from) * 0.08 : from + 1];
}

function colorReader() {
  const style = getComputedStyle(document.documentElement);
  return (name: string) => style.getPropertyValue(`--${name}`).trim() || '#888';
}

type Color = ReturnType<typeof colorReader>;

function drawBack(chart: uPlot, { brush, usual }: Props, color: Color) {
  const { ctx, bbox } = chart;
  const x = (ms: number) => Math.max(bbox.left, Math.min(bbox.left + bbox.width, chart.valToPos(ms / 1000, 'x', true)));
  if (usual !== null) {
    const y = chart.valToPos(usual, 'y', true);
    ctx.fillStyle = color('sunken');
    ctx.fillRect(bbox.left, y - 4 * uPlot.pxRatio, bbox.width, 8 * uPlot.pxRatio);
  }
  if (brush) {
    ctx.fillStyle = color('brush');
    ctx.fillRect(x(brush.from), bbox.top, x(brush.to) - x(brush.from), bbox.height);
  }
}

function drawFront(chart: uPlot, { onset, change }: Props, color: Color) {
  const { ctx, bbox } = chart;
  const vertical = (ms: number, style: string, dash: number[]) => {
    const x = chart.valToPos(ms / 1000, 'x', true);
    if (x < bbox.left || x > bbox.left + bbox.width) return;
    ctx.save();
    ctx.strokeStyle = style;
    ctx.lineWidth = uPlot.pxRatio;
    ctx.setLineDash(dash.map((one) => one * uPlot.pxRatio));
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    ctx.restore();
  };
  ctx.fillStyle = color('line');
  ctx.fillRect(bbox.left, bbox.top + bbox.height, bbox.width, uPlot.pxRatio);
  if (change !== null) vertical(change, color('ink'), [2, 3]);
  if (onset !== null) vertical(onset, color('critical'), []);
}

