// The values of the HTTP interface, as `GET /api/v1/openapi.json` describes them.
// Pictures' coordinates are shares of the displayed picture, [0, 0] at its top left corner. Times are RFC 3339, UTC.

export type Point = [x: number, y: number];
export type Role = 'viewer' | 'operator' | 'engineer' | 'administrator';
export type Severity = 'info' | 'warning' | 'alert';
export type IncidentState = 'new' | 'acknowledged' | 'dispatched' | 'resolved' | 'false_alarm';
export type Language = 'vi' | 'en';

export interface Page<T> {
  items: T[];
  next: string | null;
}

export interface Session {
  user: string;
  role: Role;
  wards?: string[] | null;
  language?: string | null;
  csrf: string;
  must_change_password: boolean;
  expires?: string | null;
  site?: { name?: string | null; time_zone?: string | null } | null;
}

export interface Place {
  lat: number;
  lon: number;
  heading?: number | null;
}

export interface Camera {
  id: string;
  name?: string | null;
  ward?: string | null;
  place?: Place | null;
  state: string;
  /** What its connection does, in a word. */
  cause?: string | null;
  /** Why, in the program's own words. */
  reason?: string | null;
  unfit?: string[] | null;
  since?: string | null;
  picture?: { width: number; height: number } | null;
  fps?: { received?: number | null; decoded?: number | null; analysed?: number | null } | null;
  loss_share?: number | null;
  latency_ms?: number | null;
  clock?: { source: string; error_seconds?: number | null } | null;
  counts_now?: Record<string, number> | null;
  model?: string | null;
}

export interface Zone {
  id: string;
  name?: string | null;
  points: Point[];
}

/** A tripwire. Forward is from the left to the right of the way from its first to its second point. */
export interface Line {
  id: string;
  name?: string | null;
  points: Point[];
  direction?: unknown;
}

export interface Lane {
  id: string;
  name?: string | null;
  points: Point[];
  direction: { from: Point; to: Point };
}

export interface GroundPoint {
  picture: Point;
  metres: Point;
}

export interface Ground {
  error_m?: number | null;
  points?: GroundPoint[] | null;
  homography?: number[][] | null;
}

export interface Scene {
  zones: Zone[];
  lines: Line[];
  lanes: Lane[];
  masks: { id: string; points: Point[] }[];
  ground?: Ground | null;
}

export interface Rule {
  id: string;
  type: string;
  [parameter: string]: unknown;
}

export interface Step {
  at: string;
  by: string;
  action: string;
  unit?: string | null;
  note?: string | null;
  reason?: string | null;
  to?: string | null;
}

/** Where in which clip something is seen; the file is there some seconds after the incident. */
export interface ClipPlace {
  file: string;
  offset_s: number;
  starts_at: string;
}

export interface Incident {
  id: string;
  opened: string;
  last: string;
  cleared?: string | null;
  phase: 'candidate' | 'confirmed' | 'cleared';
  state: IncidentState;
  version: number;
  severity: Severity;
  /** The type of its rule, such as `stopped_vehicle`. */
  rule: string;
  rule_id?: string | null;
  class?: string | null;
  camera: string;
  cameras?: string[];
  ward?: string | null;
  place?: Place | null;
  summary: string;
  events: number;
  repeats: number;
  owner?: string | null;
  unit?: string | null;
  still?: string | null;
  clean_still?: string | null;
  clip?: ClipPlace | null;
  history: Step[];
  event_items?: Event[];
}

export interface Explanation {
  summary: string;
  thresholds: Record<string, unknown>;
  measured: Record<string, unknown>;
  model?: string;
  pipeline?: string;
}

export interface Event {
  id: string;
  revision: number;
  phase: 'instant' | 'start' | 'update' | 'end';
  camera: string;
  rule: string;
  kind: string;
  severity: Severity;
  time: { utc: string; source: string; error_ns?: number | null };
  media_time?: number;
  sequence?: number;
  frame?: number;
  track?: number | null;
  class?: string | null;
  bbox?: [number, number, number, number] | null;
  explanation: Explanation;
  still?: string | null;
  clean_still?: string | null;
  clip?: ClipPlace | null;
}

export interface Why extends Partial<Explanation> {
  text: string;
}

export interface CountInterval {
  from: string;
  to: string;
  camera: string;
  rule: string;
  kind: string;
  counts: Record<string, Record<string, number>>;
  observed_seconds: number;
}

export interface Counts {
  step_seconds: number;
  items: CountInterval[];
}

export interface SpeedInterval {
  from: string;
  to: string;
  camera: string;
  rule: string;
  vehicles: Record<string, number>;
  mean_kmh?: number | null;
  p85_kmh?: number | null;
  max_kmh?: number | null;
  /** Vehicles by the lower edge of their bar, km/h; a bar is `bar_kmh` wide. */
  histogram: Record<string, number>;
}

export interface Speeds {
  step_seconds: number;
  bar_kmh: number;
  items: SpeedInterval[];
}

export interface Sink {
  id: string;
  kind: string;
  state: string;
  backlog: number;
  oldest_seconds?: number | null;
  last_error?: string | null;
  dead_letters?: number | null;
}

export interface Health {
  version: string;
  uptime_seconds: number;
  cameras?: Camera[];
  sinks: Sink[];
  /** Frames analysed a second by all workers, and the share that was left out for want of time. */
  inference?: { frames_per_second: number; loss_share: number; workers: number } | null;
  disk?: { free_bytes?: number | null; floor_bytes?: number | null; media_bytes?: number | null } | null;
  models: { id: string; sha256?: string | null; provider?: string | null }[];
}

export interface User {
  name: string;
  role: Role;
  wards?: string[] | null;
  cameras?: string[] | null;
  disabled: boolean;
  created: string;
  last_seen?: string | null;
  one_time_password?: string | null;
}

export interface UserChange {
  name?: string;
  role?: Role;
  wards?: string[] | null;
  cameras?: string[] | null;
  disabled?: boolean;
}

/** How one may log in. */
export interface LoginMethods {
  password: boolean;
  oidc?: { name?: string | null } | null;
}

export interface LoginSession {
  id: string;
  user: string;
  created?: string | null;
  last_seen?: string | null;
  expires?: string | null;
  address?: string | null;
  agent?: string | null;
  current?: boolean;
}

export interface Token {
  id: string;
  label?: string | null;
  user?: string | null;
  created?: string | null;
  last_seen?: string | null;
  token?: string | null;
}

export interface AuditRow {
  at: string;
  actor: string;
  role?: string | null;
  address?: string | null;
  action: string;
  object?: string | null;
  detail?: unknown;
  hash: string;
}

export interface Preview {
  events: Event[];
  counts: Record<string, unknown>;
  observed_seconds: number;
}

export interface Action {
  action: 'acknowledge' | 'dispatch' | 'resolve' | 'false_alarm' | 'note' | 'take' | 'hand_over' | 'reopen';
  version: number;
  unit?: string;
  note?: string;
  reason?: string;
  to?: string;
}

/** A detected object as the live stream tells it. */
export interface LiveObject {
  id: number | string;
  class: string;
  score?: number;
  box: [number, number, number, number];
}
