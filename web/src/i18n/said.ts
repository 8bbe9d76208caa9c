// What events say, in the language that is chosen.

import type { Incident } from '../api/types';
import { number } from './formats';
import { known, t } from './index';
import { sentence, type Told } from './sentence';

/** What an event says. */
export const said = (event: Told): string => sentence(event, {
  template: (name) => known(`said.${name}`),
  word: (group, name) => known(`${group}.${name}`),
  number,
  seconds: (value) => `${number(value, value < 10 ? 1 : 0)} ${t('unit.second')}`,
});

/** What an incident says: its most severe event, or the sentence it was stored with where its events are not here. */
export function saidOf(incident: Incident): string {
  const items = incident.event_items ?? [];
  const event = items.find((one) => one.severity === incident.severity && one.phase !== 'end') ?? items[0];
  return event ? said(event) : incident.summary;
}
