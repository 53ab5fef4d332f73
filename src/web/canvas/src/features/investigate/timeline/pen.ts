// What the painters share: the canvas, the colours, a line.

export type Ctx = CanvasRenderingContext2D;
export type Palette = (name: string) => string;

/** Reads colours once for each scheme. */
export function paletteOf(element: Element): Palette {
  const style = getComputedStyle(element);
  const known = new Map<string, string>();
  return (name) => {
    const found = known.get(name) ?? (style.getPropertyValue(`--${name}`).trim() || '#888');
    known.set(name, found);
    return found;
  };
}

export function line(ctx: Ctx, x1: number, y1: number, x2: number, y2: number, style: string, width = 1, dash: number[] = []) {
  ctx.save();
  ctx.strokeStyle = style;
  ctx.lineWidth = width;
  ctx.setLineDash(dash);
  ctx.beginPath();
  ctx.moveTo(x1, y1);
  ctx.lineTo(x2, y2);
  ctx.stroke();
  ctx.restore();
}
