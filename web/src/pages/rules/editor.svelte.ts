// The drawing of one camera's scene: what the server has, what was changed here, and the way back.

import { cameras as api } from '../../api';
import { Problem } from '../../api/http';
import type { Point, Rule, Scene } from '../../api/types';
import { scenes } from '../../state/scenes.svelte';

export type Kind = 'zone' | 'line' | 'lane' | 'ground';
export type Tool = 'select' | Kind;
export interface Selection {
  kind: Kind;
  index: number;
}

const LISTS = { zone: 'zones', line: 'lines', lane: 'lanes' } as const;
export const listOf = (kind: Exclude<Kind, 'ground'>) => LISTS[kind];

const EMPTY: Scene = { zones: [], lines: [], lanes: [], masks: [], ground: null };
/** As many digits as a pixel of a 4K picture needs. */
const rounded = (value: number) => Math.round(Math.min(1, Math.max(0, value)) * 1e4) / 1e4;
export const tidy = ([x, y]: Point): Point => [rounded(x), rounded(y)];

export class Editor {
  readonly camera: string;
  scene = $state<Scene>(structuredClone(EMPTY));
  rules = $state<Rule[]>([]);
  tool = $state<Tool>('select');
  selection = $state<Selection | null>(null);
  /** Corners of the shape that is being drawn. */
  drawing = $state<Point[]>([]);
  loading = $state(true);
  saving = $state(false);
  failed = $state('');
  saved = $state(false);
  /** What the server refused, with the part of the scene that it names. */
  refused = $state<Problem | null>(null);
  /** Somebody saved while this was open: nothing is written until a person has decided. */
  conflict = $state(false);
  #sceneTag = '';
  #rulesTag = '';
  #sceneThere = $state('');
  #rulesThere = $state('');
  #past = $state<string[]>([]);
  #future = $state<string[]>([]);

  constructor(camera: string) {
    this.camera = camera;
  }

  sceneChanged = $derived.by(() => JSON.stringify(this.scene) !== this.#sceneThere);
  rulesChanged = $derived.by(() => JSON.stringify(this.rules) !== this.#rulesThere);
  get changed(): boolean {
    return !this.loading && (this.sceneChanged || this.rulesChanged);
  }
  get canUndo(): boolean {
    return this.#past.length > 0;
  }
  get canRedo(): boolean {
    return this.#future.length > 0;
  }

  async load(): Promise<void> {
    this.loading = true;
    try {
      const [scene, rules] = await Promise.all([api.scene(this.camera), api.rules(this.camera)]);
      this.scene = { ...structuredClone(EMPTY), ...scene.value };
      this.rules = rules.value.items ?? [];
      this.#sceneTag = scene.etag;
      this.#rulesTag = rules.etag;
      this.#sceneThere = JSON.stringify(this.scene);
      this.#rulesThere = JSON.stringify(this.rules);
      this.#past = [];
      this.#future = [];
      this.selection = null;
      this.conflict = false;
      this.refused = null;
      this.failed = '';
      scenes.put(this.camera, scene.value);
    } catch (error) {
      this.failed = error instanceof Error ? error.message : String(error);
    }
    this.loading = false;
  }

  /** Remembers the state before a change, so that it can be undone. */
  mark(): void {
    const state = this.#state();
    if (this.#past.at(-1) !== state) this.#past = [...this.#past.slice(-99), state];
    this.#future = [];
    this.saved = false;
  }

  undo(): void {
    this.#swap('past');
  }
  redo(): void {
    this.#swap('future');
  }

  pointsOf({ kind, index }: Selection): Point[] {
    return kind === 'ground' ? (this.scene.ground?.points ?? []).map((point) => point.picture) : (this.scene[listOf(kind)][index]?.points ?? []);
  }

  move(selection: Selection, corner: number, to: Point): void {
    if (selection.kind === 'ground') {
      const point = this.scene.ground?.points?.[corner];
      if (point) point.picture = tidy(to);
      return;
    }
    const points = this.scene[listOf(selection.kind)][selection.index]?.points;
    if (points?.[corner]) points[corner] = tidy(to);
  }

  /** Moves a whole shape, and no part of it out of the picture. */
  shift(selection: Selection, [dx, dy]: Point): void {
    const points = this.pointsOf(selection);
    const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)];
    const by: Point = [
      Math.min(Math.max(dx, -Math.min(...xs)), 1 - Math.max(...xs)),
      Math.min(Math.max(dy, -Math.min(...ys)), 1 - Math.max(...ys)),
    ];
    points.forEach(([x, y], corner) => this.move(selection, corner, [x + by[0], y + by[1]]));
    const lane = selection.kind === 'lane' ? this.scene.lanes[selection.index] : undefined;
    if (lane) {
      const moved = ([x, y]: Point) => tidy([x + by[0], y + by[1]]);
      lane.direction = { from: moved(lane.direction.from), to: moved(lane.direction.to) };
    }
  }

  addCorner(selection: Selection, after: number): void {
    if (selection.kind === 'ground' || selection.kind === 'line') return;
    const points = this.scene[listOf(selection.kind)][selection.index]?.points;
    const [a, b] = [points?.[after], points?.[(after + 1) % points.length]];
    if (!points || !a || !b) return;
    this.mark();
    points.splice(after + 1, 0, tidy([(a[0] + b[0]) / 2, (a[1] + b[1]) / 2]));
  }

  removeCorner(selection: Selection, corner: number): void {
    if (selection.kind === 'ground') {
      this.mark();
      this.scene.ground?.points?.splice(corner, 1);
      if (this.scene.ground?.points?.length === 0) this.scene.ground = null;
      return;
    }
    const points = this.scene[listOf(selection.kind)][selection.index]?.points;
    if (!points || selection.kind === 'line' || points.length <= 3) return;
    this.mark();
    points.splice(corner, 1);
  }

  /** Puts a new shape in, with a name that is free. */
  add(kind: Kind, points: Point[]): void {
    this.mark();
    const corners = points.map(tidy);
    if (kind === 'ground') {
      // Points stand instead of a homography: the two cannot both be right.
      const { error_m = 0.3, points = [] } = this.scene.ground ?? {};
      this.scene.ground = { error_m, points: [...(points ?? []), ...corners.map((picture) => ({ picture, metres: [0, 0] as Point }))] };
      this.selection = { kind, index: 0 };
      return;
    }
    const id = this.#freeName(kind);
    if (kind === 'zone') this.scene.zones.push({ id, points: corners });
    else if (kind === 'line') this.scene.lines.push({ id, points: corners });
    else this.scene.lanes.push({ id, points: corners, direction: along(corners) });
    this.selection = { kind, index: this.scene[listOf(kind)].length - 1 };
    this.tool = 'select';
  }

  remove({ kind, index }: Selection): void {
    this.mark();
    if (kind === 'ground') this.scene.ground = null;
    else this.scene[listOf(kind)].splice(index, 1);
    this.selection = null;
  }

  /** Turns the direction of a tripwire or a lane round. */
  flip({ kind, index }: Selection): void {
    this.mark();
    if (kind === 'line') this.scene.lines[index]?.points.reverse();
    const lane = kind === 'lane' ? this.scene.lanes[index] : undefined;
    if (lane) lane.direction = { from: lane.direction.to, to: lane.direction.from };
  }

  async save(): Promise<void> {
    this.saving = true;
    this.refused = null;
    this.saved = false;
    try {
      // Shapes first: rules name them.
      if (this.sceneChanged) {
        await api.saveScene(this.camera, $state.snapshot(this.scene) as Scene, this.#sceneTag);
        this.#sceneThere = JSON.stringify(this.scene);
        this.#sceneTag = (await api.scene(this.camera)).etag;
        this.#rulesTag = (await api.rules(this.camera)).etag;
        scenes.put(this.camera, $state.snapshot(this.scene) as Scene);
      }
      if (this.rulesChanged) {
        const { etag } = await api.saveRules(this.camera, $state.snapshot(this.rules) as Rule[], this.#rulesTag);
        this.#rulesThere = JSON.stringify(this.rules);
        this.#rulesTag = etag || (await api.rules(this.camera)).etag;
        this.#sceneTag = (await api.scene(this.camera)).etag;
      }
      this.saved = true;
    } catch (error) {
      if (error instanceof Problem && error.status === 412) this.conflict = true;
      else if (error instanceof Problem) this.refused = error;
      else this.failed = error instanceof Error ? error.message : String(error);
    }
    this.saving = false;
  }

  /** Keeps what was drawn here, on top of what somebody else has saved: the person has seen the warning. */
  async overrule(): Promise<void> {
    const [scene, rules] = await Promise.all([api.scene(this.camera), api.rules(this.camera)]);
    this.#sceneTag = scene.etag;
    this.#rulesTag = rules.etag;
    this.conflict = false;
    await this.save();
  }

  #freeName(kind: Exclude<Kind, 'ground'>): string {
    const taken = new Set(this.scene[listOf(kind)].map((shape) => shape.id));
    for (let number = 1; ; number += 1) if (!taken.has(`${kind}-${number}`)) return `${kind}-${number}`;
  }

  #state(): string {
    return JSON.stringify([this.scene, this.rules]);
  }

  #swap(from: 'past' | 'future'): void {
    const source = from === 'past' ? this.#past : this.#future;
    const state = source.at(-1);
    if (!state) return;
    if (from === 'past') {
      this.#past = source.slice(0, -1);
      this.#future = [...this.#future, this.#state()];
    } else {
      this.#future = source.slice(0, -1);
      this.#past = [...this.#past, this.#state()];
    }
    const [scene, rules] = JSON.parse(state) as [Scene, Rule[]];
    this.scene = scene;
    this.rules = rules;
    this.selection = null;
  }
}

/** A first guess at a lane's direction: from the middle of its far edge to the middle of its near one. */
function along(points: Point[]): { from: Point; to: Point } {
  const byHeight = [...points].sort((a, b) => a[1] - b[1]);
  const mean = (some: Point[]): Point => tidy([some.reduce((sum, [x]) => sum + x, 0) / some.length, some.reduce((sum, [, y]) => sum + y, 0) / some.length]);
  return { from: mean(byHeight.slice(0, 2)), to: mean(byHeight.slice(-2)) };
}
