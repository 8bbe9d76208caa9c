// Both languages are complete: every key in both, the same places in both, every key in use, every key there is asked for.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

const web = new URL('../../web/', import.meta.url);
const words = (language) => JSON.parse(readFileSync(new URL(`src/i18n/${language}.json`, web), 'utf8'));
const [en, vi] = [words('en'), words('vi')];
const sources = readdirSync(new URL('src/', web), { recursive: true })
  .filter((name) => /\.(svelte|ts)$/.test(name))
  .map((name) => readFileSync(new URL(`src/${name}`, web), 'utf8')).join('\n');
const places = (text) => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();

test('every key is in both languages', () => {
  assert.deepEqual(Object.keys(en).filter((key) => !(key in vi)), [], 'missing in vi.json');
  assert.deepEqual(Object.keys(vi).filter((key) => !(key in en)), [], 'missing in en.json');
});

test('no text is empty, and both have the same places to fill', () => {
  for (const key of Object.keys(en)) {
    assert.ok(en[key].trim() && vi[key]?.trim(), `${key} is empty`);
    assert.deepEqual(places(vi[key]), places(en[key]), key);
  }
});

test('Vietnamese is Vietnamese: long texts are not the English ones', () => {
  const same = Object.keys(en).filter((key) => en[key].length > 12 && en[key] === vi[key]);
  assert.deepEqual(same, []);
});

test('every text that the page asks for is there', () => {
  const asked = [...sources.matchAll(/\bt\('([a-z_0-9.]+)'/g), ...sources.matchAll(/label: '([a-z_]+\.[a-z_]+)'/g)].map(([, key]) => key);
  assert.ok(asked.length > 200, `${asked.length} found: has the way of asking changed?`);
  assert.deepEqual([...new Set(asked)].filter((key) => !(key in en)), []);
});

test('every text is asked for', () => {
  const exact = new Set([...sources.matchAll(/'([a-z_]+(?:\.[a-zA-Z_0-9]+)?)'/g)].map(([, key]) => key));
  // t(`page.${name}`) and word('class', name) ask for a whole group.
  const groups = [
    ...[...sources.matchAll(/`([a-z_]+\.[a-z_]*)\$\{/g)].map(([, start]) => start),
    ...[...sources.matchAll(/\bknown\(`([a-z_]+\.)\$\{/g)].map(([, start]) => start), 'level.',
    ...[...sources.matchAll(/word\('([a-z_]+)'/g)].map(([, group]) => `${group}.`),
  ];
  const idle = Object.keys(en).filter((key) => !exact.has(key) && !groups.some((start) => key.startsWith(start)));
  assert.deepEqual(idle, []);
});

test('every kind of rule, fault and camera state of the program has its word', () => {
  const rust = (path) => readFileSync(new URL(`../../src/${path}`, import.meta.url), 'utf8');
  const kinds = [...rust('rule/table.rs').matchAll(/^\s{4}(\w+)::KIND,/gm)].map(([, kind]) => kind);
  assert.ok(kinds.length >= 17);
  assert.deepEqual(kinds.filter((kind) => !(`rule.${kind}` in en)), []);
  const causes = [...rust('source/status.rs').matchAll(/Self::\w+ => "(\w+)"/g)].map(([, cause]) => cause).filter((cause) => cause !== 'live');
  assert.ok(causes.length >= 6);
  assert.deepEqual(causes.filter((cause) => !(`camera_cause.${cause}` in en)), []);
});

test('every kind of event is told in words of its own, with places that are filled', async () => {
  const rust = readdirSync(new URL('../../src/rule/', import.meta.url)).filter((name) => name.endsWith('.rs'))
    .map((name) => readFileSync(new URL(`../../src/rule/${name}`, import.meta.url), 'utf8')).join('\n');
  const kinds = new Set([...rust.matchAll(/const (?:NAME|COUNTER_FLOW|PAVEMENT): &str = "(\w+)";/g), ...rust.matchAll(/kind: "(\w+)",/g)].map(([, kind]) => kind));
  assert.ok(kinds.size >= 17, [...kinds].join());
  const told = (kind) => Object.keys(en).some((key) => key === `said.${kind}` || key.startsWith(`said.${kind}_`));
  assert.deepEqual([...kinds].filter((kind) => !told(kind)), [], 'kinds of events without a sentence');
  const { sentence } = await import('../../web/src/i18n/sentence.ts');
  const language = (of) => ({
    template: (name) => of[`said.${name}`], word: (group, name) => of[`${group}.${name}`],
    number: (value, digits) => value.toFixed(digits), seconds: (value) => `${value.toFixed(1)} ${of['unit.second']}`,
  });
  const event = (kind, phase, measured, thresholds, more = {}) => ({ kind, phase, class: 'truck', explanation: { summary: 'as stored', measured, thresholds }, ...more });
  for (const [what, english, vietnamese] of [
    [event('stopped_vehicle', 'start', { stopped_seconds: 12.04 }, { lane: 'left' }), 'Truck stands in left for 12.0 s', 'Xe tải dừng tại left 12.0 giây'],
    [event('stopped_vehicle', 'end', { stopped_seconds: 61 }, { zone: 'gate' }), 'The stop in gate ended after 61.0 s', 'Xe dừng tại gate đã rời đi sau 61.0 giây'],
    [event('zone_dwell', 'instant', { transition: 'entered', appeared_inside: false }, { zone: 'gate', dwell_seconds: 5 }), 'Truck entered gate', 'Xe tải vào gate'],
    [event('collision', 'start', { other_class: 'bicycle' }, {}), 'Truck and bicycle may have collided', 'Xe tải và xe đạp có thể đã va chạm'],
    [event('camera_unfit', 'start', { fault: 'black', lasted_seconds: 2 }, {}, { class: null }), 'The view is unfit for 2.0 s: picture dark; the other rules rest', 'Hình không đạt 2.0 giây: hình tối đen; các quy tắc khác tạm nghỉ'],
    // What cannot be filled in is told as it was stored.
    [event('stopped_vehicle', 'start', {}, { lane: 'left' }), 'as stored', 'as stored'],
    [event('collision', 'start', { other_class: 'unheard_of' }, {}), 'as stored', 'as stored'],
    [event('kind_of_a_later_release', 'start', { stopped_seconds: 1 }, { lane: 'left' }), 'as stored', 'as stored'],
  ]) {
    assert.equal(sentence(what, language(en)), english);
    assert.equal(sentence(what, language(vi)), vietnamese);
  }
});
