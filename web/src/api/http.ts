// One way to ask the server, so that every error is a Problem and every expired session is noticed once.

const BASE = '/api/v1';

/** What went wrong, as RFC 9457 tells it; status 0 when the server was not reached. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly title: string,
    readonly detail: string,
    readonly body: Record<string, unknown> = {},
  ) {
    super(detail || title);
  }

  /** The part of the input that is wrong, such as `zones[0].points`. */
  get field(): string | undefined {
    return typeof this.body.field === 'string' ? this.body.field : undefined;
  }

  /** What to do about it. */
  get help(): string | undefined {
    return typeof this.body.help === 'string' ? this.body.help : undefined;
  }
}

export type Query = Record<string, string | number | boolean | null | undefined | string[]>;

export interface Options {
  query?: Query;
  body?: unknown;
  ifMatch?: string;
  signal?: AbortSignal;
}

let csrf = '';
let onExpired: () => void = () => {};

/** The token that changes need; it comes with the session. */
export function setCsrf(token: string): void {
  csrf = token;
}

/** Called when the server no longer knows the session. */
export function setExpiredHandler(handler: () => void): void {
  onExpired = handler;
}

export function address(path: string, query: Query = {}): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === null || value === undefined || value === '') continue;
    for (const one of Array.isArray(value) ? value : [value]) search.append(name, String(one));
  }
  const text = search.toString();
  return BASE + path + (text ? `?${text}` : '');
}

/** A file's address; the server's names may or may not carry the whole path. */
export function media(path: string): string {
  return path.startsWith('/') ? path : `${BASE}/media/${path.split('/').map(encodeURIComponent).join('/')}`;
}

async function problemOf(response: Response): Promise<Problem> {
  let body: Record<string, unknown> = {};
  try {
    const read: unknown = await response.json();
    if (read && typeof read === 'object') body = read as Record<string, unknown>;
  } catch {
    // A proxy's own error page: the status is all there is.
  }
  const text = (value: unknown) => (typeof value === 'string' ? value : '');
  return new Problem(response.status, text(body.title) || response.statusText, text(body.detail), body);
}

/** Asks, and gives the value with its entity tag. */
export async function ask<T>(method: string, path: string, options: Options = {}): Promise<{ value: T; etag: string }> {
  const headers: Record<string, string> = { Accept: 'application/json' };
  if (options.body !== undefined) headers['Content-Type'] = 'application/json';
  if (method !== 'GET') headers['X-CSRF-Token'] = csrf;
  if (options.ifMatch) headers['If-Match'] = options.ifMatch;
  let response: Response;
  try {
    response = await fetch(address(path, options.query), {
      method,
      headers,
      body: options.body === undefined ? null : JSON.stringify(options.body),
      signal: options.signal ?? null,
      credentials: 'same-origin',
    });
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw new Problem(0, 'unreachable', '');
  }
  if (!response.ok) {
    const problem = await problemOf(response);
    if (response.status === 401 && path !== '/session') onExpired();
    throw problem;
  }
  const text = response.status === 204 ? '' : await response.text();
  return { value: (text ? JSON.parse(text) : undefined) as T, etag: response.headers.get('ETag') ?? '' };
}

export const get = async <T>(path: string, query?: Query, signal?: AbortSignal): Promise<T> =>
  (await ask<T>('GET', path, { ...(query && { query }), ...(signal && { signal }) })).value;
export const post = async <T>(path: string, body: unknown): Promise<T> => (await ask<T>('POST', path, { body })).value;
