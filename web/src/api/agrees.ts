// What the page reads is what the server's OpenAPI document says it gives: `npm run check` fails when they part.
// `schema.d.ts` is written from that document by `npm run api`.

import type * as page from './types';
import type { components } from './schema';

type Server = components['schemas'];
/** Points and boxes are lists of numbers to the document. */
type Loose<T> = T extends readonly [number, ...number[]] ? number[]
  : T extends (infer One)[] ? Loose<One>[]
  : T extends object ? { [Name in keyof T]: Loose<T[Name]> } : T;
/** Compiles only where the server's value can stand for the page's. */
type Reads<Theirs extends Loose<Ours>, Ours> = [Theirs, Ours];

export type Agreements = [
  Reads<Server['SessionView'], page.Session>,
  Reads<Server['Methods'], page.LoginMethods>,
  Reads<Server['CameraView'], page.Camera>,
  Reads<Server['IncidentView'], page.Incident>,
  Reads<Server['IncidentWhole'], page.Incident>,
  Reads<Server['Event'], page.Event>,
  // Measured values and thresholds have the names that each rule gives them.
  Reads<Server['Why'], Omit<page.Why, 'measured' | 'thresholds'>>,
  Reads<Server['Scene'], page.Scene>,
  Reads<Server['Counts'], page.Counts>,
  Reads<Server['Speeds'], page.Speeds>,
  Reads<Server['Health'], page.Health>,
  Reads<Server['UserView'], page.User>,
  Reads<Server['SessionRow'], page.LoginSession>,
  Reads<Server['TokenView'], page.Token>,
  Reads<Server['AuditRow'], page.AuditRow>,
];
