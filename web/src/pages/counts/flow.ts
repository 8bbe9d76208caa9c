// Counts turned into what a chart and a table need. An interval in which the camera was blind has no figure, not a zero.

import type { Counts } from '../../api/types';

export interface Series {
  name: string;
  values: (number | null)[];
  total: number;
}

export interface Flow {
  /** Beginnings of the intervals, seconds. */
  times: number[];
  series: Series[];
  /** Share of each interval that the camera saw, 0 to 1. */
  observed: number[];
  total: number;
  observedSeconds: number;
  askedSeconds: number;
}

/** Below this share of an interval its count says little and is left out. */
export const SEEN_ENOUGH = 0.5;

/** Folds all rules' intervals together: by class, or by the key (lane, movement, direction) that was asked for. */
export function flowOf(counts: Counts, from: number, to: number, byClass: boolean): Flow {
  const step = counts.step_seconds;
  const first = Math.floor(from / step) * step;
  const length = Math.max(0, Math.ceil((to - first) / step));
  const times = Array.from({ length }, (_, index) => first + index * step);
  const seconds = new Array<number>(length).fill(0);
  const sums = new Map<string, number[]>();
  for (const item of counts.items) {
    const index = Math.floor((Date.parse(item.from) / 1000 - first) / step);
    if (index < 0 || index >= length) continue;
    // Several rules watch one camera: the interval was seen as long as the one that saw it longest.
    seconds[index] = Math.max(seconds[index] ?? 0, item.observed_seconds);
    for (const [key, classes] of Object.entries(item.counts)) {
      for (const [name, count] of Object.entries(classes)) {
        const into = byClass ? name : key;
        const values = sums.get(into) ?? new Array<number>(length).fill(0);
        values[index] = (values[index] ?? 0) + count;
        sums.set(into, values);
      }
    }
  }
  const now = Date.now() / 1000;
  const observed = times.map((time, index) => Math.min(1, (seconds[index] ?? 0) / Math.max(1, Math.min(step, now - time))));
  const series = [...sums].map(([name, values]) => ({
    name,
    values: values.map((value, index) => ((observed[index] ?? 0) >= SEEN_ENOUGH || value > 0 ? value : null)),
    total: values.reduce((sum, value) => sum + value, 0),
  })).sort((a, b) => b.total - a.total);
  return {
    times, series, observed,
    total: series.reduce((sum, one) => sum + one.total, 0),
    observedSeconds: seconds.reduce((sum, one) => sum + one, 0),
    askedSeconds: Math.max(0, Math.min(to, now) - from),
  };
}

/** `north-in>south-out` as origin and destination. */
export function movements(flow: Flow): { origins: string[]; destinations: string[]; of: (from: string, to: string) => number | undefined } {
  const cells = new Map<string, number>();
  const origins = new Set<string>();
  const destinations = new Set<string>();
  for (const { name, total } of flow.series) {
    const [from, to] = name.split('>');
    if (!from || !to) continue;
    origins.add(from);
    destinations.add(to);
    cells.set(`${from}>${to}`, total);
  }
  return { origins: [...origins].sort(), destinations: [...destinations].sort(), of: (from, to) => cells.get(`${from}>${to}`) };
}
