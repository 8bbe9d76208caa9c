// The address after `#`: which page, which thing on it, and its filters. All that a bookmark should keep is here.

export const PAGES = ['wall', 'incidents', 'map', 'camera', 'rules', 'counts', 'health', 'admin'] as const;
export type PageName = (typeof PAGES)[number];

class Route {
  page = $state<PageName>('wall');
  /** What the page is about: a camera, an incident, a tab. */
  subject = $state('');
  #query = $state(new URLSearchParams());

  constructor() {
    this.#read();
    addEventListener('hashchange', () => this.#read());
  }

  get(name: string): string {
    return this.#query.get(name) ?? '';
  }

  all(name: string): string[] {
    return (this.#query.get(name) ?? '').split(',').filter(Boolean);
  }

  /** Changes filters; the page stays, and going back skips the change. */
  set(changes: Record<string, string | string[] | null>): void {
    const query = new URLSearchParams(this.#query);
    for (const [name, value] of Object.entries(changes)) {
      const text = Array.isArray(value) ? value.join(',') : (value ?? '');
      if (text) query.set(name, text);
      else query.delete(name);
    }
    history.replaceState(null, '', link(this.page, this.subject, query));
    this.#read();
  }

  go(page: PageName, subject = '', query?: Record<string, string>): void {
    location.hash = link(page, subject, new URLSearchParams(query)).slice(1);
  }

  /** Names another subject of the same page, keeping the filters. */
  choose(subject: string): void {
    history.replaceState(null, '', link(this.page, subject, this.#query));
    this.#read();
  }

  #read(): void {
    const [path = '', search = ''] = location.hash.replace(/^#\/?/, '').split('?');
    const [page = '', ...rest] = path.split('/');
    this.page = (PAGES as readonly string[]).includes(page) ? (page as PageName) : 'wall';
    this.subject = safeDecode(rest.join('/'));
    this.#query = new URLSearchParams(search);
  }
}

function safeDecode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export function link(page: PageName, subject = '', query?: URLSearchParams | Record<string, string>): string {
  // Commas stay readable: chosen cameras are what people copy and change by hand.
  const search = new URLSearchParams(query).toString().replaceAll('%2C', ',');
  return `#/${page}${subject ? `/${encodeURIComponent(subject)}` : ''}${search ? `?${search}` : ''}`;
}

export const route = new Route();
