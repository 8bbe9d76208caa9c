// What an event says, in the reader's language: a template for its kind and phase, filled in from its structured fields.
// The sentence that is stored with the event is English; it stands in where a template or one of its values is missing.

/** The parts of an event that a sentence is made of. */
export interface Told {
  kind: string;
  phase: string;
  class?: string | null;
  explanation: { summary: string; measured: Record<string, unknown>; thresholds: Record<string, unknown> };
}

export interface Language {
  /** The template of that name, if there is one. */
  template(name: string): string | undefined;
  /** The word for a value that the program names; undefined where there is none. */
  word(group: string, name: string): string | undefined;
  number(value: number, digits: number): string;
  seconds(value: number): string;
}

/** Where the rule looked: the first of these that the rule names. */
const PLACES = ['zone', 'lane', 'stop_line', 'line', 'pavements', 'carriageway'];
/** How long it took: the first of these that was measured. */
const TIMES = [
  'stopped_seconds', 'parked_seconds', 'dwell_seconds', 'wrong_way_seconds', 'stood_seconds', 'on_road_seconds', 'on_pavement_seconds',
  'crowded_seconds', 'congested_seconds', 'queued_seconds', 'red_seconds', 'speeding_seconds', 'lasted_seconds', 'interval_seconds',
];
/** Values that have words of their own: place in a template, what is measured, group of words. */
const WORDS: [string, string, string][] = [
  ['other', 'other_class', 'class'], ['direction', 'direction', 'direction'], ['fault', 'fault', 'fault'], ['level', 'level', 'level'],
];
/** Numbers: place in a template, what is measured, digits. */
const NUMBERS: [string, string, number][] = [
  ['speed', 'speed_kmh', 0], ['speed', 'max_kmh', 0], ['limit', 'limit_kmh', 0], ['people', 'people', 0], ['vehicles', 'queue_vehicles', 0],
  ['vehicles', 'vehicles_mean', 0], ['riders', 'riders_against', 0], ['riders', 'riders_most', 0],
];

/** The event's sentence in that language, or the one it was stored with. */
export function sentence(event: Told, language: Language): string {
  return composed(event, language) ?? event.explanation.summary;
}

export function composed(event: Told, language: Language): string | undefined {
  const { measured, thresholds } = event.explanation;
  const variant = typeof measured.transition === 'string' ? measured.transition : '';
  const names = event.phase === 'end' ? [`${event.kind}_end`]
    : [variant && `${event.kind}_${variant}`, event.phase === 'update' && `${event.kind}_update`, event.kind];
  const template = names.flatMap((name) => (name ? [language.template(name)] : [])).find(Boolean);
  if (!template) return undefined;
  const filled = values(event, measured, thresholds, language);
  const wanted = [...template.matchAll(/\{(\w+)\}/g)].map(([, name]) => name as string);
  if (wanted.some((name) => filled[name] === undefined)) return undefined;
  const text = template.replace(/\{(\w+)\}/g, (_, name: string) => filled[name] as string);
  return text.charAt(0).toLocaleUpperCase() + text.slice(1);
}

function values(
  event: Told, measured: Record<string, unknown>, thresholds: Record<string, unknown>, language: Language,
): Record<string, string | undefined> {
  const filled: Record<string, string | undefined> = {};
  if (event.class) filled.who = language.word('class', event.class) ?? event.class;
  const place = PLACES.map((name) => thresholds[name]).find((one) => one !== undefined && one !== null);
  filled.place = Array.isArray(place) ? place.join(', ') : typeof place === 'string' ? place : undefined;
  const time = TIMES.map((name) => measured[name]).find((one) => typeof one === 'number');
  if (typeof time === 'number') filled.time = language.seconds(time);
  if (typeof measured.movement === 'string') filled.movement = measured.movement;
  for (const [name, key, group] of WORDS) {
    const value = measured[key];
    if (typeof value === 'string') filled[name] ??= language.word(group, value);
  }
  for (const [name, key, digits] of NUMBERS) {
    const value = measured[key] ?? thresholds[key];
    if (typeof value === 'number') filled[name] ??= language.number(value, digits);
  }
  return filled;
}
