// Every question that the page asks the server.

import { ask, get, post, type Query } from './http';
import type {
  Action, AuditRow, Camera, Counts, Event, Health, Incident, Language, LoginMethods, LoginSession, Page, Preview, Rule, Scene,
  Session, Speeds, Token, User, UserChange, Why,
} from './types';

const id = encodeURIComponent;

export const session = {
  read: () => get<Session>('/session'),
  open: (user: string, password: string) => post<Session>('/session', { user, password }),
  close: () => ask<void>('DELETE', '/session'),
  methods: () => get<LoginMethods>('/session/methods'),
  changePassword: (old: string, fresh: string) => ask<Session | undefined>('PUT', '/session/password', { body: { old, new: fresh } }),
  setLanguage: (language: Language) => ask<void>('PUT', '/session/language', { body: { language } }),
};

export const cameras = {
  list: () => all<Camera>('/cameras'),
  read: (camera: string) => get<Camera>(`/cameras/${id(camera)}`),
  probe: (camera: string) => get<Record<string, unknown>>(`/cameras/${id(camera)}/probe`),
  scene: (camera: string) => ask<Scene>('GET', `/cameras/${id(camera)}/scene`),
  saveScene: (camera: string, scene: Scene, ifMatch: string) =>
    ask<Scene | undefined>('PUT', `/cameras/${id(camera)}/scene`, { body: scene, ifMatch }),
  rules: (camera: string) => ask<{ items: Rule[] }>('GET', `/cameras/${id(camera)}/rules`),
  saveRules: (camera: string, items: Rule[], ifMatch: string) =>
    ask<{ items: Rule[] } | undefined>('PUT', `/cameras/${id(camera)}/rules`, { body: { items }, ifMatch }),
  preview: (camera: string, body: { scene?: Scene; rule: Rule; minutes: number }) =>
    post<Preview>(`/cameras/${id(camera)}/preview`, body),
};

export const ruleSchemas = () => get<unknown>('/rules/schema');

export const incidents = {
  list: (query: Query, signal?: AbortSignal) => get<Page<Incident>>('/incidents', query, signal),
  read: (incident: string) => get<Incident>(`/incidents/${id(incident)}`),
  act: (incident: string, action: Action) => post<Incident>(`/incidents/${id(incident)}/actions`, action),
};

export const events = {
  list: (query: Query, signal?: AbortSignal) => get<Page<Event>>('/events', query, signal),
  why: (event: string) => get<Why>(`/events/${id(event)}/why`),
};

export const counts = {
  flows: (query: Query, signal?: AbortSignal) => get<Counts>('/counts', query, signal),
  speeds: (query: Query, signal?: AbortSignal) => get<Speeds>('/speeds', query, signal),
};

export const health = () => get<Health>('/health');
export const outline = () => get<unknown>('/map/outline');

export const admin = {
  users: () => all<User>('/users'),
  addUser: (user: UserChange) => post<User>('/users', user),
  changeUser: (name: string, change: UserChange & { reset_password?: boolean }) =>
    ask<User>('PATCH', `/users/${id(name)}`, { body: change }),
  removeUser: (name: string) => ask<void>('DELETE', `/users/${id(name)}`),
  sessions: (everybody: boolean) => all<LoginSession>('/sessions', { all: everybody ? 1 : undefined }),
  endSession: (session: string) => ask<void>('DELETE', `/sessions/${id(session)}`),
  tokens: () => all<Token>('/tokens'),
  addToken: (body: { label: string }) => post<Token>('/tokens', body),
  removeToken: (token: string) => ask<void>('DELETE', `/tokens/${id(token)}`),
  audit: (query: Query, signal?: AbortSignal) => get<Page<AuditRow>>('/audit', query, signal),
};

/** A short list in one piece, page by page; lists without an end are read with their cursor instead. */
async function all<T>(path: string, query: Query = {}): Promise<T[]> {
  const items: T[] = [];
  let cursor: string | null = null;
  do {
    const page: Page<T> = await get<Page<T>>(path, { ...query, cursor });
    items.push(...page.items);
    cursor = page.next ?? null;
  } while (cursor && items.length < 5000);
  return items;
}
