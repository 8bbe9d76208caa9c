// The incidents that the page holds: the open ones, always fresh, for the badge, the wall and the map.

import { incidents as api } from '../api';
import type { Incident } from '../api/types';
import { chime } from '../live/sound';
import { LastHour } from './hour';
import { link } from './link.svelte';

export const OPEN_STATES = ['new', 'acknowledged', 'dispatched'] as const;
export const isOpen = (incident: Incident): boolean => (OPEN_STATES as readonly string[]).includes(incident.state);

/** More incidents than this are not kept, as many as are read at the start; the queue page reads further ones by its cursor. */
const MOST = 200;
const RANK = { alert: 0, warning: 1, info: 2 } as const;

/** First what nobody has taken, then the worst, then the newest. */
export function compare(a: Incident, b: Incident): number {
  const fresh = Number(b.state === 'new') - Number(a.state === 'new');
  return fresh || RANK[a.severity] - RANK[b.severity] || Date.parse(b.opened) - Date.parse(a.opened);
}

class Queue {
  #byId = $state(new Map<string, Incident>());
  loaded = $state(false);
  failed = $state('');
  /** Said once by the live region. */
  announced = $state<Incident | null>(null);
  #lately = new LastHour();
  perHour = $state(0);

  open = $derived([...this.#byId.values()].filter(isOpen).sort(compare));
  fresh = $derived(this.open.filter((incident) => incident.state === 'new'));

  constructor() {
    link.onOpen(() => void this.load());
    link.on('incident', (incident) => this.accept(incident));
    setInterval(() => this.#count(), 30_000);
  }

  on(camera: string): Incident[] {
    return this.open.filter((incident) => incident.camera === camera || incident.cameras?.includes(camera));
  }

  async load(): Promise<void> {
    try {
      const page = await api.list({ state: [...OPEN_STATES], limit: 200 });
      this.#byId = new Map(page.items.map((incident) => [incident.id, incident]));
      this.loaded = true;
      this.failed = '';
      this.#lately = new LastHour();
      for (const incident of page.items) this.#lately.add(Date.parse(incident.opened));
      this.#count();
    } catch (error) {
      this.failed = error instanceof Error ? error.message : String(error);
    }
  }

  /** Takes a record in, unless a newer one is there already. */
  accept(incident: Incident): void {
    if (!incident || typeof incident.id !== 'string') return;
    const known = this.#byId.get(incident.id);
    if (known && known.version > incident.version) return;
    const next = new Map(this.#byId);
    next.set(incident.id, known ? { ...known, ...incident } : incident);
    // What is over goes first, then what can wait longest: a flood that nobody works on must not fill the browser.
    if (next.size > MOST) {
      const kept = [...next.values()].sort((a, b) => Number(isOpen(b)) - Number(isOpen(a)) || compare(a, b));
      for (const one of kept.slice(MOST)) next.delete(one.id);
    }
    this.#byId = next;
    if (!known && incident.state === 'new') this.#announce(incident);
  }

  clear(): void {
    this.#byId = new Map();
    this.loaded = false;
  }

  #announce(incident: Incident): void {
    this.#lately.add(Date.now());
    this.#count();
    this.announced = incident;
    if (incident.severity !== 'info') chime(incident.severity);
  }

  #count(): void {
    this.perHour = this.#lately.until(Date.now());
  }
}

export const queue = new Queue();
