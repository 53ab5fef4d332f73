// Draws the timeline on a canvas. One pass from back to front: grid, brush, bars, marks, the distance that matters.

import type { Lane, LaneName } from '../../../api/types';
import { clock, duration } from '../../../ui/format';
import { isDense, placed } from './marks';
import { LANES, heightShare, ticks, type Span } from './model';
import { paintMarks } from './paintMarks';
import { line, type Ctx, type Palette } from './pen';

export const AXIS_PX = 34;

export interface Scene {
  width: number;
  laneHeight: number;
  span: Span;
  stepMs: number;
  lanes: readonly Lane[];
  onset: number | null;
  change: { at: number; name: string } | null;
  now: number | null;
  brush: Span | null;
  selected: string | null;
  /** Marks stand where they were seen, with a tail to where they happened. */
  seen: boolean;
  /** From when on a lane's connector does not read, and why. */
  unread: ReadonlyMap<LaneName, { from: number; why: string }>;
  narrow: boolean;
}

export const sceneHeight = (laneHeight: number) => AXIS_PX + LANES.length * laneHeight + 2;
export const laneTop = (index: number, laneHeight: number) => AXIS_PX + index * laneHeight;

export function paint(ctx: Ctx, scene: Scene, color: Palette) {
  const { width, laneHeight, span } = scene;
  const height = sceneHeight(laneHeight);
  const xOf = (ms: number) => ((ms - span.from) / (span.to - span.from)) * width;
  ctx.clearRect(0, 0, width, height);
  ctx.font = `400 11px ${color('font')}`;
  ctx.textBaseline = 'middle';
  paintGrid(ctx, scene, color, xOf, height);
  if (scene.brush) {
    ctx.fillStyle = color('brush');
    ctx.fillRect(xOf(scene.brush.from), AXIS_PX, xOf(scene.brush.to) - xOf(scene.brush.from), height - AXIS_PX);
  }
  LANES.forEach(({ lane: name }, index) => {
    const lane = scene.lanes.find((one) => one.lane === name);
    const top = laneTop(index, laneHeight);
    if (lane) paintLane(ctx, lane, top, scene, color, xOf);
    const unread = scene.unread.get(name);
    if (unread) paintUnread(ctx, top, xOf(unread.from), xOf(scene.now ?? span.to), laneHeight, width, color);
  });
  paintDistance(ctx, scene, color, xOf, height);
  if (scene.brush) paintBrushEdges(ctx, xOf(scene.brush.from), xOf(scene.brush.to), height, color);
}

function paintGrid(ctx: Ctx, scene: Scene, color: Palette, xOf: (ms: number) => number, height: number) {
  const taken: [number, number][] = [];
  if (scene.onset !== null) taken.push([xOf(scene.onset) - 8, xOf(scene.onset) + 104]);
  if (scene.onset !== null && scene.change) taken.push([xOf(scene.change.at) - 76, xOf(scene.onset) + 4]);
  if (scene.now !== null) taken.push([xOf(scene.now) - 14, xOf(scene.now) + 14]);
  ctx.textAlign = 'center';
  for (const { at, text } of ticks(scene.span, scene.width)) {
    const x = xOf(at);
    line(ctx, Math.round(x) + 0.5, AXIS_PX - 4, Math.round(x) + 0.5, height, color('line2'));
    const half = ctx.measureText(text).width / 2 + 4;
    const free = x - half >= 0 && x + half <= scene.width && taken.every(([from, to]) => x + half < from || x - half > to);
    ctx.fillStyle = color('ink2');
    if (free) ctx.fillText(text, x, 18);
  }
  LANES.forEach((_, index) => {
    const y = laneTop(index, scene.laneHeight) + 0.5;
    line(ctx, 0, y, scene.width, y, color('line2'));
  });
}

function paintLane(ctx: Ctx, lane: Lane, top: number, scene: Scene, color: Palette, xOf: (ms: number) => number) {
  const dense = isDense(lane);
  if (dense) paintBars(ctx, lane, top, scene, color, xOf);
  paintMarks(ctx, lane, placed(lane, { xOf, width: scene.width, seen: scene.seen, leading: scene.change?.at ?? null }), { dense, top, middle: top + scene.laneHeight / 2, scene, color });
}

function paintBars(ctx: Ctx, lane: Lane, top: number, scene: Scene, color: Palette, xOf: (ms: number) => number) {
  const highest = lane.bars.reduce((most, bar) => Math.max(most, bar.items), 1);
  const room = scene.laneHeight - 10;
  const base = top + scene.laneHeight - 3;
  for (const bar of lane.bars) {
    const at = Date.parse(bar.at);
    const x = xOf(at);
    const wide = Math.max(1, xOf(at + scene.stepMs) - x - 0.8);
    if (x + wide < 0 || x > scene.width) continue;
    const share = heightShare(bar.items, highest);
    // Counted records keep no time of their own at which they were seen.
    ctx.globalAlpha = (0.3 + 0.4 * share) * (scene.seen ? 0.4 : 1);
    ctx.fillStyle = color(lane.lane);
    ctx.fillRect(x, base - room * share, wide, room * share);
    ctx.globalAlpha = 1;
    if (bar.failing <= 0) continue;
    const failing = Math.max(2, room * heightShare(bar.failing, highest));
    ctx.fillStyle = color('critical-fill');
    ctx.fillRect(x, base - failing, wide, failing);
    // A gap parts the failing part from the rest: colour alone would not be seen by everybody.
    ctx.fillStyle = color('panel');
    if (failing > 4) ctx.fillRect(x, base - failing - 1.2, wide, 1.2);
  }
}

function paintUnread(ctx: Ctx, top: number, from: number, to: number, laneHeight: number, width: number, color: Palette) {
  const left = Math.max(0, from);
  const right = Math.min(width, to);
  if (right - left < 2) return;
  ctx.save();
  ctx.beginPath();
  ctx.rect(left, top + 4, right - left, laneHeight - 8);
  ctx.clip();
  ctx.strokeStyle = color('hatch');
  ctx.lineWidth = 2;
  ctx.beginPath();
  for (let x = left - laneHeight; x < right; x += 6) {
    ctx.moveTo(x, top + laneHeight);
    ctx.lineTo(x + laneHeight, top);
  }
  ctx.stroke();
  ctx.restore();
  if (right - left < 64) return;
  const middle = (left + right) / 2;
  ctx.fillStyle = color('panel');
  ctx.fillRect(middle - 27, top + laneHeight / 2 - 8, 54, 16);
  ctx.fillStyle = color('ink2');
  ctx.textAlign = 'center';
  ctx.fillText('not read', middle, top + laneHeight / 2 + 0.5);
}

function paintDistance(ctx: Ctx, scene: Scene, color: Palette, xOf: (ms: number) => number, height: number) {
  const { onset, change, now, width } = scene;
  if (now !== null && xOf(now) < width - 1) {
    line(ctx, xOf(now), AXIS_PX - 4, xOf(now), height, color('ink3'));
    ctx.fillStyle = color('ink2');
    ctx.textAlign = 'center';
    if (xOf(now) > 14 && xOf(now) < width - 14 && (onset === null || xOf(now) - xOf(onset) > 124)) ctx.fillText('now', xOf(now), 18);
  }
  if (change) line(ctx, xOf(change.at), 22, xOf(change.at), height, color('ink'), 1, [2, 3]);
  if (onset === null) return;
  const x = xOf(onset);
  line(ctx, x, 8, x, height, color('critical'), 1.5);
  if (x < -110 || x > width) return;
  const text = `onset ${clock(onset)}`;
  ctx.font = `600 11px ${color('font')}`;
  const wide = ctx.measureText(text).width + 10;
  const flag = x + wide > width ? x - wide : x;
  ctx.fillStyle = color('critical');
  ctx.beginPath();
  ctx.roundRect(flag, 8, wide, 19, 3);
  ctx.fill();
  ctx.fillStyle = color('panel');
  ctx.textAlign = 'center';
  ctx.fillText(text, flag + wide / 2, 18);
  if (change && change.at < onset) paintArrow(ctx, xOf(change.at), flag < x ? flag : x, duration(onset - change.at), color);
  ctx.font = `400 11px ${color('font')}`;
}

/** From the change to the onset, with how long that is: within where there is room, else before it. */
function paintArrow(ctx: Ctx, from: number, to: number, text: string, color: Palette) {
  const left = Math.max(0, from);
  const room = to - left;
  const wide = ctx.measureText(text).width + 8;
  const within = room > wide + 22;
  if (room > 9) {
    line(ctx, left, 18, to - 1, 18, color('ink'));
    ctx.strokeStyle = color('ink');
    ctx.lineWidth = 1;
    ctx.beginPath();
    ctx.moveTo(to - 5, 14.5);
    ctx.lineTo(to - 1, 18);
    ctx.lineTo(to - 5, 21.5);
    ctx.stroke();
  }
  const middle = within ? (left + to) / 2 : Math.max(wide / 2, left - wide / 2 - 1);
  ctx.fillStyle = color('panel');
  ctx.fillRect(middle - wide / 2, 9, wide, 18);
  ctx.fillStyle = color('ink');
  ctx.textAlign = 'center';
  ctx.fillText(text, middle, 18);
}

function paintBrushEdges(ctx: Ctx, from: number, to: number, height: number, color: Palette) {
  for (const x of [from, to]) {
    line(ctx, x, AXIS_PX, x, height, color('accent'));
    ctx.fillStyle = color('accent');
    ctx.beginPath();
    ctx.roundRect(x - 2.5, (AXIS_PX + height) / 2 - 8, 5, 16, 2.5);
    ctx.fill();
  }
}

/** Two hours small: the items of all lanes, their failing part, and where the view is. */
export function paintOverview(ctx: Ctx, lanes: readonly Lane[], whole: Span, view: Span, stepMs: number, width: number, height: number, color: Palette) {
  const xOf = (ms: number) => ((ms - whole.from) / (whole.to - whole.from)) * width;
  const sums = new Map<number, { items: number; failing: number }>();
  for (const { bars } of lanes) {
    for (const bar of bars) {
      const at = Date.parse(bar.at);
      const sum = sums.get(at) ?? { items: 0, failing: 0 };
      sums.set(at, { items: sum.items + bar.items, failing: sum.failing + bar.failing });
    }
  }
  ctx.clearRect(0, 0, width, height);
  ctx.fillStyle = color('sunken');
  ctx.beginPath();
  ctx.roundRect(0, 0, width, height, 3);
  ctx.fill();
  const top = Math.max(1, ...[...sums.values()].map(({ items }) => items));
  for (const [at, { items, failing }] of sums) {
    const x = xOf(at);
    const wide = Math.max(0.8, xOf(at + stepMs) - x - 0.8);
    const tall = (height - 9) * heightShare(items, top);
    ctx.fillStyle = color('line3');
    ctx.globalAlpha = 0.7;
    ctx.fillRect(x, height - tall, wide, tall);
    ctx.globalAlpha = 1;
    ctx.fillStyle = color('critical-fill');
    if (failing > 0) ctx.fillRect(x, height - Math.max(2, (height - 9) * heightShare(failing, top)), wide, Math.max(2, (height - 9) * heightShare(failing, top)));
  }
  const from = Math.max(0, xOf(view.from));
  const to = Math.min(width, xOf(view.to));
  if (to > from) {
    ctx.fillStyle = color('brush');
    ctx.strokeStyle = color('accent');
    ctx.lineWidth = 1;
    ctx.beginPath();
    ctx.roundRect(from + 0.5, 0.5, Math.max(3, to - from - 1), height - 1, 3);
    ctx.fill();
    ctx.stroke();
  }
  ctx.font = `400 10px ${color('font')}`;
  ctx.fillStyle = color('ink2');
  ctx.textAlign = 'center';
  ctx.textBaseline = 'middle';
  for (const { at, text } of ticks(whole, width / 2)) {
    if (xOf(at) > 16 && xOf(at) < width - 16) ctx.fillText(text, xOf(at), 7);
  }
}
