// Dates, lengths of time and numbers, in the chosen language and the site's time zone.

import { session } from '../state/session.svelte';
import { settings } from '../state/settings.svelte';
import { t } from './index';

const cache = new Map<string, Intl.DateTimeFormat | Intl.NumberFormat>();

const locale = () => (settings.language === 'vi' ? 'vi-VN' : 'en-GB');

function dates(options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const zone = session.timeZone;
  const key = JSON.stringify([locale(), zone, options]);
  let format = cache.get(key) as Intl.DateTimeFormat | undefined;
  if (!format) {
    format = new Intl.DateTimeFormat(locale(), { ...options, ...(zone && { timeZone: zone }), hourCycle: 'h23' });
    cache.set(key, format);
  }
  return format;
}

function numbers(options: Intl.NumberFormatOptions): Intl.NumberFormat {
  const key = JSON.stringify([locale(), 'n', options]);
  let format = cache.get(key) as Intl.NumberFormat | undefined;
  if (!format) {
    format = new Intl.NumberFormat(locale(), options);
    cache.set(key, format);
  }
  return format;
}

type When = string | number | Date | null | undefined;

function show(when: When, options: Intl.DateTimeFormatOptions): string {
  const date = when === null || when === undefined ? undefined : new Date(when);
  return date && !Number.isNaN(date.getTime()) ? dates(options).format(date) : '–';
}

/** 14:03:07 */
export const clock = (when: When) => show(when, { hour: '2-digit', minute: '2-digit', second: '2-digit' });
/** 14:03 */
export const shortClock = (when: When) => show(when, { hour: '2-digit', minute: '2-digit' });
/** 23/11/2026 */
export const day = (when: When) => show(when, { day: '2-digit', month: '2-digit', year: 'numeric' });
/** 23/11, 14:03:07: for lists of the last days */
export const stamp = (when: When) =>
  show(when, { day: '2-digit', month: '2-digit', hour: '2-digit', minute: '2-digit', second: '2-digit' });
/** With year and zone, for evidence */
export const full = (when: When) =>
  show(when, {
    day: '2-digit', month: '2-digit', year: 'numeric', hour: '2-digit', minute: '2-digit', second: '2-digit',
    timeZoneName: 'short',
  });
/** Monday, 23 November */
export const longDay = (when: When) => show(when, { weekday: 'long', day: 'numeric', month: 'long' });

export function number(value: number | null | undefined, digits = 0): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–';
  return numbers({ maximumFractionDigits: digits, minimumFractionDigits: digits }).format(value);
}

export function percent(share: number | null | undefined, digits = 0): string {
  if (share === null || share === undefined || !Number.isFinite(share)) return '–';
  return numbers({ style: 'percent', maximumFractionDigits: digits }).format(share);
}

export function bytes(value: number | null | undefined): string {
  if (value === null || value === undefined) return '–';
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let size = value;
  let unit = 0;
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${number(size, size < 10 && unit > 0 ? 1 : 0)} ${units[unit]}`;
}

/** 8 s, 3 min 20 s, 2 h 5 min, 4 d 3 h */
export function duration(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return '–';
  const whole = Math.max(0, Math.round(seconds));
  const parts: [number, string][] = [
    [Math.floor(whole / 86400), t('unit.day')],
    [Math.floor(whole / 3600) % 24, t('unit.hour')],
    [Math.floor(whole / 60) % 60, t('unit.minute')],
    [whole % 60, t('unit.second')],
  ];
  const first = parts.findIndex(([value]) => value > 0);
  if (first < 0) return `0 ${t('unit.second')}`;
  return parts
    .slice(first, first + 2)
    .filter(([value]) => value > 0)
    .map(([value, unit]) => `${number(value)} ${unit}`)
    .join(' ');
}

/** How long ago it was. */
export function ago(when: string | null | undefined, now: number): string {
  return when ? t('ago', { time: duration((now - Date.parse(when)) / 1000) }) : '–';
}

/** The moment that a field of date and time means in the site's zone, in UTC; empty when the field is. */
export function utcOf(local: string): string {
  const asUtc = Date.parse(`${local}Z`);
  if (Number.isNaN(asUtc)) return '';
  // The zone's offset is read at the guess and once more at what comes of it, for the hours when clocks change.
  let moment = asUtc;
  for (let turn = 0; turn < 2; turn += 1) moment = asUtc - offsetAt(moment);
  return new Date(moment).toISOString();
}

/** What a field of date and time shows for that moment. */
export function localOf(moment: number): string {
  return new Date(moment + offsetAt(moment)).toISOString().slice(0, 16);
}

function offsetAt(moment: number): number {
  const parts = new Intl.DateTimeFormat('en-GB', {
    ...(session.timeZone && { timeZone: session.timeZone }), hourCycle: 'h23',
    year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', second: '2-digit',
  }).formatToParts(moment);
  const part = (type: string) => Number(parts.find((one) => one.type === type)?.value);
  const shown = Date.UTC(part('year'), part('month') - 1, part('day'), part('hour'), part('minute'), part('second'));
  return shown - Math.floor(moment / 1000) * 1000;
}
