// Who is at the desk, and what they may do.

import { session as api } from '../api';
import { Problem, setCsrf, setExpiredHandler } from '../api/http';
import type { Language, Role, Session } from '../api/types';
import { settings } from './settings.svelte';

const RANK: Record<Role, number> = { viewer: 0, operator: 1, engineer: 2, administrator: 3 };

class SessionState {
  /** Undefined until the server has answered, null when nobody is logged in. */
  current = $state<Session | null | undefined>(undefined);
  /** The session ended while the page was open: the login says so, and the page behind it stays as it is. */
  expired = $state(false);
  unreachable = $state(false);
  /** The language that was chosen on the login page; it goes along with the login. */
  #chosen: Language | null = null;

  constructor() {
    setExpiredHandler(() => this.lose());
  }

  get timeZone(): string | undefined {
    const zone = this.current?.site?.time_zone;
    return zone && isZone(zone) ? zone : undefined;
  }

  may(role: Role): boolean {
    return !!this.current && RANK[this.current.role] >= RANK[role];
  }

  /** Asks the server who we are, after a reload. */
  async resume(): Promise<void> {
    try {
      this.#accept(await api.read());
      this.unreachable = false;
    } catch (error) {
      if (error instanceof Problem && error.status === 401) {
        this.current = null;
        this.unreachable = false;
      } else {
        this.unreachable = true;
      }
    }
  }

  async open(user: string, password: string): Promise<void> {
    const opened = await api.open(user, password);
    const chosen = this.#chosen;
    this.#chosen = null;
    this.#accept(opened);
    if (chosen && chosen !== opened.language) await this.setLanguage(chosen);
  }

  async changePassword(old: string, fresh: string): Promise<void> {
    const { value } = await api.changePassword(old, fresh);
    this.#accept(value?.user ? value : await api.read());
  }

  async setLanguage(language: Language): Promise<void> {
    settings.language = language;
    if (!this.current) {
      this.#chosen = language;
      return;
    }
    this.current.language = language;
    await api.setLanguage(language).catch(() => {}); // the browser remembers it in any case
  }

  async close(): Promise<void> {
    await api.close().catch(() => {});
    this.current = null;
    this.expired = false;
  }

  lose(): void {
    if (!this.current) return;
    this.current = null;
    this.expired = true;
  }

  #accept(session: Session): void {
    setCsrf(session.csrf);
    if (session.language === 'vi' || session.language === 'en') settings.language = session.language;
    this.current = session;
    this.expired = false;
  }
}

function isZone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone });
    return true;
  } catch {
    return false;
  }
}

export const session = new SessionState();
