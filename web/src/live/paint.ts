// Draws objects, zones, lanes and tripwires over a picture. Canvas coordinates are device pixels.

import type { LiveObject, Point, Scene } from '../api/types';

/** One hue a class, light enough for any street; the word beside the box says the same. */
const CLASS_COLOURS: Record<string, string> = {
  person: '#ffd166', bicycle: '#c3f584', motorcycle: '#7ae7c7', motorbike: '#7ae7c7', car: '#6cc5ff', van: '#6cc5ff',
  bus: '#d4a5ff', truck: '#ffa07a',
};
const OTHER = '#e6edf3';
const ZONE = '#4fb0ff';
const LANE = '#45c48b';
const LINE = '#ffd166';
const ACTIVE = '#ff5c5c';

export interface Frame {
  width: number;
  height: number;
  /** Device pixels in a CSS pixel. */
  scale: number;
}

export function colourOf(name: string): string {
  return CLASS_COLOURS[name] ?? OTHER;
}

export function paintObjects(
  ctx: CanvasRenderingContext2D, frame: Frame, objects: LiveObject[], label: (object: LiveObject) => string,
): void {
  const { width, height, scale } = frame;
  const roomy = width / scale > 300;
  if (!roomy) {
    plainBoxes(ctx, frame, objects);
    return;
  }
  for (const object of objects) {
    const [x1, y1, x2, y2] = object.box;
    corners(ctx, x1 * width, y1 * height, (x2 - x1) * width, (y2 - y1) * height, colourOf(object.class), scale);
  }
  const size = Math.round(Math.max(10, Math.min(13, width / scale / 54)) * scale);
  ctx.font = `600 ${size}px 'Inter Variable', sans-serif`;
  ctx.textBaseline = 'middle';
  // The nearest first; a name that would lie on another is left out: half a name is worse than none.
  const plates: [number, number, number, number][] = [];
  for (const object of [...objects].sort((a, b) => b.box[3] - a.box[3])) {
    const [x, y] = [object.box[0] * width, object.box[1] * height];
    const text = label(object);
    const [wide, high] = [ctx.measureText(text).width + 8 * scale, size + 5 * scale];
    const top = y - high - scale > 0 ? y - high - scale : y;
    if (plates.some(([px, py, pw, ph]) => x < px + pw && px < x + wide && top < py + ph && py < top + high)) continue;
    plates.push([x, top, wide, high]);
    ctx.fillStyle = '#05070acc';
    ctx.fillRect(x, top, wide, high);
    ctx.fillStyle = colourOf(object.class);
    ctx.fillText(text, x + 4 * scale, top + high / 2 + scale);
  }
}

/** The boxes of a small tile: one line each, and one path a colour, since a wall draws thousands a second. */
function plainBoxes(ctx: CanvasRenderingContext2D, { width, height, scale }: Frame, objects: LiveObject[]): void {
  const byColour = new Map<string, LiveObject[]>();
  for (const object of objects) {
    const colour = colourOf(object.class);
    const known = byColour.get(colour);
    if (known) known.push(object);
    else byColour.set(colour, [object]);
  }
  ctx.lineWidth = Math.max(1, Math.round(1.4 * scale));
  for (const [colour, same] of byColour) {
    ctx.strokeStyle = colour;
    ctx.beginPath();
    for (const { box: [x1, y1, x2, y2] } of same) {
      ctx.rect(Math.round(x1 * width) + 0.5, Math.round(y1 * height) + 0.5, Math.round((x2 - x1) * width), Math.round((y2 - y1) * height));
    }
    ctx.stroke();
  }
}

/** A box with strong corners: seen on any ground, and it hides little of what is in it. */
function corners(
  ctx: CanvasRenderingContext2D, x: number, y: number, w: number, h: number, colour: string, scale: number,
): void {
  const arm = Math.min(w, h) * 0.28;
  for (const [stroke, thick] of [['#05070a99', 3.4], [colour, 1.8]] as const) {
    ctx.strokeStyle = stroke;
    ctx.lineWidth = thick * scale;
    ctx.beginPath();
    for (const [cx, cy, dx, dy] of [[x, y, 1, 1], [x + w, y, -1, 1], [x + w, y + h, -1, -1], [x, y + h, 1, -1]] as const) {
      ctx.moveTo(cx + dx * arm, cy);
      ctx.lineTo(cx, cy);
      ctx.lineTo(cx, cy + dy * arm);
    }
    ctx.stroke();
  }
  ctx.strokeStyle = `${colour}66`;
  ctx.lineWidth = scale;
  ctx.strokeRect(x, y, w, h);
}

/** The scene's shapes, drawn once for each size and set of active zones and then laid over every picture. */
export class SceneLayer {
  #canvas: HTMLCanvasElement | undefined;
  #scene: Scene | undefined;
  #key = '';

  paint(ctx: CanvasRenderingContext2D, frame: Frame, scene: Scene, active: readonly string[]): void {
    if (scene.zones.length + scene.lanes.length + scene.lines.length === 0) return;
    const key = `${frame.width}x${frame.height}x${frame.scale} ${active.join(' ')}`;
    if (!this.#canvas || this.#scene !== scene || this.#key !== key) {
      this.#canvas ??= document.createElement('canvas');
      this.#canvas.width = frame.width;
      this.#canvas.height = frame.height;
      const own = this.#canvas.getContext('2d');
      if (!own) return;
      paintScene(own, frame, scene, active);
      [this.#scene, this.#key] = [scene, key];
    }
    ctx.drawImage(this.#canvas, 0, 0);
  }
}

export function paintScene(ctx: CanvasRenderingContext2D, frame: Frame, scene: Scene, active: readonly string[]): void {
  const { width, height, scale } = frame;
  const at = ([x, y]: Point): Point => [x * width, y * height];
  const names = width / scale > 460;
  for (const lane of scene.lanes) {
    outline(ctx, lane.points.map(at), LANE, scale, { fill: '14', dash: [] });
    arrow(ctx, at(lane.direction.from), at(lane.direction.to), LANE, scale);
  }
  for (const zone of scene.zones) {
    const isActive = active.includes(zone.id);
    const points = zone.points.map(at);
    outline(ctx, points, isActive ? ACTIVE : ZONE, scale, {
      fill: isActive ? '33' : '17', dash: isActive ? [] : [6 * scale, 4 * scale], thick: isActive ? 3 : 1.6,
    });
    if (names && points[0]) tag(ctx, points[0], zone.name || zone.id, isActive ? ACTIVE : ZONE, scale);
  }
  for (const line of scene.lines) {
    const [from, to] = [line.points[0], line.points[1]];
    if (from && to) wire(ctx, at(from), at(to), LINE, scale);
  }
}

function outline(
  ctx: CanvasRenderingContext2D, points: Point[], colour: string, scale: number,
  style: { fill: string; dash: number[]; thick?: number },
): void {
  if (points.length < 2) return;
  ctx.beginPath();
  points.forEach(([x, y], index) => (index ? ctx.lineTo(x, y) : ctx.moveTo(x, y)));
  ctx.closePath();
  ctx.fillStyle = colour + style.fill;
  ctx.fill();
  ctx.strokeStyle = `${colour}cc`;
  ctx.lineWidth = (style.thick ?? 1.4) * scale;
  ctx.setLineDash(style.dash);
  ctx.stroke();
  ctx.setLineDash([]);
}

/** A tripwire, with the arrow of its forward direction: from the left to the right of from → to. */
function wire(ctx: CanvasRenderingContext2D, from: Point, to: Point, colour: string, scale: number): void {
  const [mid, normal] = [middle(from, to), forward(from, to)];
  for (const [stroke, thick] of [['#05070aaa', 4.5], [colour, 2.2]] as const) {
    ctx.strokeStyle = stroke;
    ctx.lineWidth = thick * scale;
    ctx.beginPath();
    ctx.moveTo(...from);
    ctx.lineTo(...to);
    ctx.stroke();
  }
  const reach = 16 * scale;
  arrow(ctx, mid, [mid[0] + normal[0] * reach, mid[1] + normal[1] * reach], colour, scale);
}

export const middle = (a: Point, b: Point): Point => [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];

/** The unit vector in which a crossing of from → to counts as forward, in the screen's coordinates (y down). */
export function forward(from: Point, to: Point): Point {
  const [dx, dy] = [to[0] - from[0], to[1] - from[1]];
  const length = Math.hypot(dx, dy) || 1;
  return [-dy / length, dx / length];
}

function arrow(ctx: CanvasRenderingContext2D, from: Point, to: Point, colour: string, scale: number): void {
  const angle = Math.atan2(to[1] - from[1], to[0] - from[0]);
  const head = 6 * scale;
  ctx.strokeStyle = colour;
  ctx.fillStyle = colour;
  ctx.lineWidth = 2 * scale;
  ctx.beginPath();
  ctx.moveTo(...from);
  ctx.lineTo(...to);
  ctx.stroke();
  ctx.beginPath();
  ctx.moveTo(to[0] + Math.cos(angle) * head, to[1] + Math.sin(angle) * head);
  ctx.lineTo(to[0] + Math.cos(angle + 2.4) * head, to[1] + Math.sin(angle + 2.4) * head);
  ctx.lineTo(to[0] + Math.cos(angle - 2.4) * head, to[1] + Math.sin(angle - 2.4) * head);
  ctx.fill();
}

function tag(ctx: CanvasRenderingContext2D, at: Point, text: string, colour: string, scale: number): void {
  ctx.font = `600 ${11 * scale}px 'Inter Variable', sans-serif`;
  ctx.textBaseline = 'middle';
  const width = ctx.measureText(text).width + 8 * scale;
  ctx.fillStyle = '#05070acc';
  ctx.fillRect(at[0], at[1], width, 16 * scale);
  ctx.fillStyle = colour;
  ctx.fillText(text, at[0] + 4 * scale, at[1] + 8.5 * scale);
}
