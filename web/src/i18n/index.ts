// The page's words. `t` gives a text in the chosen language; `formats.ts` gives dates and numbers.

import { settings } from '../state/settings.svelte';
import en from './en.json';
import vi from './vi.json';

export type Key = keyof typeof en;

// The types demand that neither language lacks a key of the other; tests/page/words.mjs says which one does.
const dictionaries: Record<'en' | 'vi', Record<Key, string>> = { en, vi: vi satisfies Record<Key, string> };

/** The text of that key, its `{places}` filled in. */
export function t(key: Key, values: Record<string, string | number> = {}): string {
  const text = dictionaries[settings.language][key];
  return text.replace(/\{(\w+)\}/g, (place, name: string) => String(values[name] ?? place));
}

/** The text for a value that the server names, such as a rule's kind; the name itself where we have no word. */
export function word(group: string, name: string): string {
  const key = `${group}.${name}`;
  return key in en ? t(key as Key) : name.replaceAll('_', ' ');
}

/** The text for a value that the server names; undefined where we have none. */
export function known(key: string): string | undefined {
  return key in en ? t(key as Key) : undefined;
}
