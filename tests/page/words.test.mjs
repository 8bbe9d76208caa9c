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
});
