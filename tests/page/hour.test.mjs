// The alarms of the last hour: a flood of them takes no more memory than a few.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LastHour } from '../../web/src/state/hour.ts';

const MINUTE = 60_000;
const NOON = 1_796_040_000_000;

test('what is older than an hour is forgotten, minute by minute', () => {
  const hour = new LastHour();
  for (let minute = 0; minute < 90; minute += 1) hour.add(NOON + minute * MINUTE);
  assert.equal(hour.until(NOON + 89 * MINUTE), 60);
  assert.equal(hour.until(NOON + 119 * MINUTE), 30);
  assert.equal(hour.until(NOON + 149 * MINUTE), 0);
  assert.equal(hour.until(NOON + 10_000 * MINUTE), 0);
});

test('they may come in any order, and many at once', () => {
  const hour = new LastHour();
  hour.add(NOON);
  hour.add(NOON - 59 * MINUTE);
  hour.add(NOON - 60 * MINUTE);
  for (let n = 0; n < 100_000; n += 1) hour.add(NOON + MINUTE);
  assert.equal(hour.until(NOON + MINUTE), 100_001);
});
