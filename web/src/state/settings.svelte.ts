// What this browser remembers: theme, sound, language before somebody has logged in.

import type { Language } from '../api/types';

export const THEMES = ['dark', 'light', 'contrast'] as const;
export type Theme = (typeof THEMES)[number];

function read(name: string): string | null {
  try {
    return localStorage.getItem(`vantage.${name}`);
  } catch {
    return null; // storage is switched off; the settings last as long as the page
  }
}

function write(name: string, value: string): void {
  try {
    localStorage.setItem(`vantage.${name}`, value);
  } catch {
    // As above.
  }
}

class Settings {
  #theme = $state<Theme>('dark');
  #sound = $state(read('sound') !== 'off');
  #language = $state<Language>('en');
  #budget = $state(Number(read('alarm-budget')) || 30);

  constructor() {
    const theme = read('theme');
    this.theme = THEMES.find((one) => one === theme) ?? 'dark';
    const language = read('language') ?? navigator.language.slice(0, 2);
    this.language = language === 'vi' ? 'vi' : 'en';
  }

  get theme(): Theme {
    return this.#theme;
  }
  set theme(theme: Theme) {
    this.#theme = theme;
    document.documentElement.dataset.theme = theme;
    write('theme', theme);
  }

  get sound(): boolean {
    return this.#sound;
  }
  set sound(on: boolean) {
    this.#sound = on;
    write('sound', on ? 'on' : 'off');
  }

  get language(): Language {
    return this.#language;
  }
  set language(language: Language) {
    this.#language = language;
    document.documentElement.lang = language;
    write('language', language);
  }

  /** Alarms an hour that one person can look at with care. */
  get budget(): number {
    return this.#budget;
  }
  set budget(alarms: number) {
    this.#budget = Math.max(1, Math.round(alarms) || 1);
    write('alarm-budget', String(this.#budget));
  }
}

export const settings = new Settings();
