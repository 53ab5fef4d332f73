// Single events on the timeline's canvas: a shape for each kind, a name where there is room.

import type { Lane, LaneName, Mark } from '../../../api/types';
import { initials } from '../../../ui/format';
import { isLeading, type Joined, type Placed } from './marks';
import type { Scene } from './paint';
import { line, type Ctx, type Palette } from './pen';

interface Place {
  dense: boolean;
  top: number;
  middle: number;
  scene: Scene;
  color: Palette;
}

export function paintMarks(ctx: Ctx, lane: Lane, marks: readonly Placed[], { dense, top, middle, scene, color }: Place) {
  const leadingAt = scene.change?.at ?? null;
  marks.forEach((one, index) => {
    const { mark, x, tail, all } = one;
    const y = dense ? top + 8 : middle;
    if (Math.abs(tail - x) > 6) paintTail(ctx, tail, x, y, color);
    if (dense) paintAnomaly(ctx, x, y, mark, color);
    else if (all.length > 1 && !(lane.lane === 'changes' && isLeading(mark, leadingAt))) paintCount(ctx, lane.lane, x, y, all.length, color);
    else paintMark(ctx, lane.lane, one, y, color, scene);
    const room = (marks[index + 1]?.x ?? scene.width) - x - 20;
    if (!dense && lane.lane !== 'ci') paintName(ctx, lane.lane, mark, x, y, room, color, scene);
    if (scene.selected !== null && all.some(({ ids }) => ids.includes(scene.selected ?? ''))) paintRing(ctx, lane.lane === 'ci' ? (x + Math.min(one.end, x + 12)) / 2 : x, y, color);
  });
}

function paintRing(ctx: Ctx, x: number, y: number, color: Palette) {
  ctx.strokeStyle = color('accent');
  ctx.lineWidth = 2;
  ctx.beginPath();
  ctx.arc(x, y, 9, 0, 7);
  ctx.stroke();
}

/** From when it happened to when it was seen. */
function paintTail(ctx: Ctx, from: number, to: number, y: number, color: Palette) {
  line(ctx, from, y, to, y, color('line3'), 1, [1, 3]);
  line(ctx, from, y - 3, from, y + 3, color('line3'));
}

function paintAnomaly(ctx: Ctx, x: number, y: number, mark: Joined, color: Palette) {
  ctx.fillStyle = color(mark.severity);
  ctx.strokeStyle = color('panel');
  ctx.lineWidth = 1;
  ctx.beginPath();
  ctx.moveTo(x, y - 5);
  ctx.lineTo(x + 5, y + 4);
  ctx.lineTo(x - 5, y + 4);
  ctx.closePath();
  ctx.fill();
  ctx.stroke();
}

function paintMark(ctx: Ctx, lane: LaneName, { mark, x, end }: Placed, y: number, color: Palette, scene: Scene) {
  ctx.lineWidth = 1.5;
  ctx.strokeStyle = color(lane);
  ctx.fillStyle = mark.linked ? color(lane) : color('panel');
  ctx.beginPath();
  if (lane === 'changes') {
    const leading = isLeading(mark, scene.change?.at ?? null);
    if (end > x + 6) {
      ctx.fillStyle = color('changes');
      ctx.globalAlpha = leading ? 1 : 0.35;
      ctx.fillRect(x, y + 9, end - x, 2);
      ctx.globalAlpha = 1;
    }
    ctx.fillStyle = leading ? color('changes') : color('panel');
    ctx.moveTo(x, y - 5.5);
    ctx.lineTo(x + 5.5, y);
    ctx.lineTo(x, y + 5.5);
    ctx.lineTo(x - 5.5, y);
    ctx.closePath();
  } else if (lane === 'ci') {
    return paintBuild(ctx, mark, x, end, y, color);
  } else if (lane === 'people') {
    return paintPerson(ctx, mark, x, y, color);
  } else if (lane === 'git') ctx.arc(x, y, 4, 0, 7);
  else if (lane === 'manual') ctx.rect(x - 4, y - 4, 8, 8);
  else return paintAnomaly(ctx, x, y, mark, color);
  ctx.fill();
  ctx.stroke();
  return undefined;
}

function paintBuild(ctx: Ctx, mark: Joined, x: number, until: number, y: number, color: Palette) {
  const end = Math.max(x + 12, until);
  const bad = /fail|error|abort|cancel/.test(mark.event_type + mark.title.slice(mark.title.lastIndexOf(': '))) || mark.severity === 'high' || mark.severity === 'critical';
  ctx.globalAlpha = bad ? 0.1 : 0.28;
  ctx.fillStyle = color('ci');
  ctx.beginPath();
  ctx.roundRect(x, y - 5, end - x, 10, 2);
  ctx.fill();
  ctx.globalAlpha = 1;
  ctx.lineWidth = 1;
  ctx.stroke();
  if (!mark.done) return;
  ctx.strokeStyle = bad ? color('high') : color('ink');
  ctx.lineWidth = 1.6;
  ctx.beginPath();
  if (bad) {
    ctx.moveTo(end - 9, y - 3);
    ctx.lineTo(end - 3, y + 3);
    ctx.moveTo(end - 3, y - 3);
    ctx.lineTo(end - 9, y + 3);
  } else {
    ctx.moveTo(end - 10, y);
    ctx.lineTo(end - 7.5, y + 2.5);
    ctx.lineTo(end - 3, y - 2.5);
  }
  ctx.stroke();
}

/** Several marks in one place: their number, on a disc. */
function paintCount(ctx: Ctx, lane: LaneName, x: number, y: number, count: number, color: Palette) {
  ctx.fillStyle = color(lane);
  ctx.beginPath();
  ctx.arc(x, y, 8, 0, 7);
  ctx.fill();
  ctx.fillStyle = color('panel');
  ctx.textAlign = 'center';
  ctx.font = `600 9px ${color('font')}`;
  ctx.fillText(count > 99 ? '99+' : String(count), x, y + 0.5);
  ctx.font = `400 11px ${color('font')}`;
}

function paintPerson(ctx: Ctx, mark: Mark, x: number, y: number, color: Palette) {
  const who = personOf(mark);
  const engine = who === 'whydunit';
  ctx.fillStyle = color(engine ? 'ink' : 'people');
  ctx.beginPath();
  if (engine) ctx.roundRect(x - 8, y - 8, 16, 16, 4);
  else ctx.arc(x, y, 8, 0, 7);
  ctx.fill();
  ctx.fillStyle = color('panel');
  ctx.textAlign = 'center';
  ctx.font = `${engine ? 700 : 600} ${engine ? 10 : 8}px ${color('font')}`;
  ctx.fillText(engine ? 'w' : initials(who), x, y + 0.5);
  ctx.font = `400 11px ${color('font')}`;
}

/** Who did it: a note is "author: text", a deed "author what detail". */
export function personOf({ event_type, title }: Pick<Mark, 'event_type' | 'title'>): string {
  return title.split(event_type === 'note' ? ':' : ` ${event_type}`)[0] ?? '?';
}

/** What stands beside a mark: the hash of a commit where there is one, else the title. */
function nameOf(lane: LaneName, mark: Joined): string {
  if (lane === 'people') return mark.event_type;
  const hash = /\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{6,40}\b/.exec(mark.title)?.[0].slice(0, 7);
  if (lane === 'git' && !/merge/.test(mark.event_type)) return '';
  return hash ? `${hash}${mark.service ? ` ${mark.service}` : ''}` : mark.title;
}

function paintName(ctx: Ctx, lane: LaneName, mark: Joined, x: number, y: number, room: number, color: Palette, scene: Scene) {
  // The leading change may write over the onset's line, not over its neighbour.
  const leading = lane === 'changes' && isLeading(mark, scene.change?.at ?? null);
  const text = fitted(ctx, leading ? scene.change?.name ?? '' : nameOf(lane, mark), room);
  if (!text) return;
  ctx.textAlign = 'left';
  ctx.fillStyle = leading ? color('ink') : color('ink2');
  if (leading) ctx.font = `600 11px ${color('font')}`;
  ctx.fillText(text, x + (lane === 'people' ? 12 : 10), y + 0.5);
  ctx.font = `400 11px ${color('font')}`;
}

function fitted(ctx: Ctx, text: string, room: number): string {
  if (room < 24 || !text) return '';
  if (ctx.measureText(text).width <= room) return text;
  let end = Math.min(text.length, 60);
  while (end > 2 && ctx.measureText(`${text.slice(0, end)}…`).width > room) end -= 1;
  return end > 2 ? `${text.slice(0, end)}…` : '';
}
