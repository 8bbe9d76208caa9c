// The incidents that the filters let through: read page by page, kept fresh by the stream.

import { incidents as api } from '../../api';
import type { Query } from '../../api/http';
import type { Incident } from '../../api/types';
import { utcOf } from '../../i18n/formats';
import { link } from '../../state/link.svelte';
import { compare, isOpen, queue } from '../../state/queue.svelte';

export interface Filter {
  state: 'open' | 'new' | 'mine' | 'closed' | 'all';
  severity: string;
  camera: string;
  ward: string;
  rule: string;
  from: string;
  to: string;
}

/** More incidents than this, or than were asked for page by page, are not held; filters find the others. */
const MOST = 400;
const PAGE = 50;

const STATES: Record<Filter['state'], string[] | undefined> = {
  open: ['new', 'acknowledged', 'dispatched'],
  new: ['new'],
  mine: ['acknowledged', 'dispatched'],
  closed: ['resolved', 'false_alarm'],
  all: undefined,
};

/** Incidents of one camera and one rule: repeats of the same trouble, shown as one row until somebody opens it. */
export interface Group {
  key: string;
  lead: Incident;
  others: Incident[];
}

export class IncidentList {
  #items = $state<Incident[]>([]);
  loading = $state(true);
  failed = $state('');
  #next: string | null = $state(null);
  #asked = 0;
  #filter: Filter;
  #user: string;
  #stop = new AbortController();

  constructor(filter: Filter, user: string) {
    this.#filter = filter;
    this.#user = user;
    void this.more(true);
  }

  get more_left(): boolean {
    return this.#next !== null;
  }

  /** In working order while they are open; the newest first when they are history. */
  items = $derived.by(() => {
    const working = this.#filter.state !== 'closed' && this.#filter.state !== 'all';
    const shown = this.#items.filter((incident) => this.#fits(incident));
    return shown.sort(working ? compare : (a, b) => Date.parse(b.opened) - Date.parse(a.opened));
  });

  /** Begins to listen; gives the function that ends it. */
  follow(): () => void {
    const ends = [link.on('incident', (incident) => this.accept(incident)), link.onOpen(() => void this.more(true))];
    return () => {
      this.#stop.abort();
      for (const end of ends) end();
    };
  }

  async more(fresh = false): Promise<void> {
    this.loading = true;
    try {
      const page = await api.list(this.#query(fresh ? null : this.#next), this.#stop.signal);
      const known = fresh ? [] : this.#items;
      const seen = new Set(known.map((incident) => incident.id));
      this.#items = [...known, ...page.items.filter((incident) => !seen.has(incident.id))];
      this.#next = page.next ?? null;
      this.#asked = fresh ? PAGE : this.#asked + PAGE;
      this.failed = '';
    } catch (error) {
      if (!(error instanceof DOMException)) this.failed = error instanceof Error ? error.message : String(error);
    }
    this.loading = false;
  }

  accept(incident: Incident): void {
    const at = this.#items.findIndex((one) => one.id === incident.id);
    const known = this.#items[at];
    if (known && known.version > incident.version) return;
    if (known) this.#items[at] = { ...known, ...incident };
    else if (this.#fits(incident)) this.#items.unshift(incident);
    // A page that stays open for days holds no more than a person can look through.
    const most = Math.max(MOST, this.#asked);
    if (this.#items.length > most) this.#items = this.#items.filter((one) => this.#fits(one)).slice(0, most);
  }

  #query(cursor: string | null): Query {
    const { state, severity, camera, ward, rule, from, to } = this.#filter;
    const states = STATES[state];
    return {
      ...(states && { state: states }), severity, camera, ward, rule,
      from: utcOf(from), to: utcOf(to), cursor, limit: PAGE,
    };
  }

  #fits(incident: Incident): boolean {
    const { state, severity, camera, ward, rule, from, to } = this.#filter;
    return (STATES[state]?.includes(incident.state) ?? true)
      && (state !== 'mine' || incident.owner === this.#user)
      && (!severity || incident.severity === severity)
      && (!camera || incident.camera === camera || !!incident.cameras?.includes(camera))
      && (!ward || incident.ward === ward)
      && (!rule || incident.rule === rule)
      && (!from || Date.parse(incident.opened) >= Date.parse(utcOf(from)))
      && (!to || Date.parse(incident.opened) <= Date.parse(utcOf(to)));
  }
}

/** Puts repeats together: same camera, same rule, still open. */
export function groups(items: Incident[], together: boolean): Group[] {
  const byKey = new Map<string, Group>();
  for (const incident of items) {
    const key = together && isOpen(incident) ? `${incident.camera}|${incident.rule}` : incident.id;
    const group = byKey.get(key);
    if (group) group.others.push(incident);
    else byKey.set(key, { key, lead: incident, others: [] });
  }
  return [...byKey.values()];
}

/** Everything that shows this incident learns of its new state. */
export function spread(incident: Incident, list: IncidentList): void {
  list.accept(incident);
  queue.accept(incident);
}
