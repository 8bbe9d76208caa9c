// Drawing on the real program: a tripwire that then counts, by mouse and by keyboard; refusals and two tabs at once.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { api, isAccessible, isClean, open, signInFirst, tab } from './support/browser.mjs';
import { CAMERAS, cannotRun, Site, until } from './support/program.mjs';

const skip = cannotRun;
let site, browser, one;
before(async () => {
  if (skip) return;
  // The camera that has to count gets the machine; the others are only drawn on.
  const cameras = CAMERAS.map((camera) => ({ ...camera, fps: camera.clip === 'stopped-lorry' ? 8 : 0.5 }));
  [site, browser] = [await Site.begin(cameras), await open()];
  one = await tab(browser, { viewport: { width: 1600, height: 900 } });
  await one.page.goto(site.base);
  await one.page.getByRole('button', { name: 'English' }).click();
  await signInFirst(one.page, site.base, 'admin', site.password);
});
after(async () => {
  await browser?.close();
  await site?.end();
});

const editor = async (page, camera) => {
  await page.goto(`${site.base}/#/rules/${camera}`);
  await page.locator('.still svg').waitFor({ timeout: 60_000 });
  await until('the still', () => page.locator('.still img').evaluate((still) => still.naturalWidth > 0).catch(() => false), 20);
};
const click = async (page, x, y) => {
  const box = await page.locator('.still svg').boundingBox();
  await page.mouse.click(box.x + x * box.width, box.y + y * box.height);
};
const save = (page) => page.getByRole('button', { name: 'Save', exact: true }).click();

test('a tripwire is drawn, gets a rule, is saved, and counts', { skip }, async () => {
  const written = readFileSync(site.pipeline, 'utf8');
  await editor(one.page, 'stopped-lorry');
  await one.page.locator('body').press('t');
  await click(one.page, 0.36, 0.72);
  await click(one.page, 0.78, 0.72);
  const name = one.page.locator('.chosen.panel input').first();
  await name.fill('drawn-here');
  await name.press('Tab');
  await isAccessible(one.page, 'rules');
  await one.page.getByRole('tab', { name: /^Rules/ }).click();
  await one.page.getByLabel('Kind of rule').selectOption('line_crossing');
  await one.page.getByRole('button', { name: 'Add', exact: true }).click();
  await one.page.locator('.rules label.field', { hasText: /^line/ }).locator('select').selectOption('drawn-here');
  await save(one.page);
  await one.page.getByText('Saved and in force').waitFor({ timeout: 30_000 });
  assert.equal(readFileSync(site.pipeline, 'utf8'), written, "the user's own file is as it was");
  const { body } = await api(one.page, 'GET', '/cameras/stopped-lorry/scene');
  assert.ok(body.lines.some((line) => line.id === 'drawn-here'));
  await until('a crossing of the new tripwire', async () => {
    const events = (await api(one.page, 'GET', '/events?camera=stopped-lorry&limit=100')).body.items;
    return events.some((event) => event.kind === 'line_crossing' && event.explanation.thresholds.line === 'drawn-here');
  }, 240);
  await isClean(one, 'rules');
  // And it is seen on the camera's page.
  await one.page.goto(`${site.base}/#/camera/stopped-lorry`);
  await one.page.locator('[data-event]', { hasText: 'Line crossed' }).first().waitFor({ timeout: 60_000 });
});

test('what a rule would have counted is shown before it is saved', { skip }, async () => {
  await editor(one.page, 'stopped-lorry');
  await one.page.getByRole('tab', { name: /^Rules/ }).click();
  await one.page.locator('.rules .entry', { hasText: 'Line crossed' }).first().click();
  await one.page.getByRole('button', { name: 'Preview' }).click();
  await one.page.locator('.rules .result').waitFor({ timeout: 60_000 });
  await one.page.getByText(/seen .* of 10 min/).waitFor();
  await isAccessible(one.page, 'preview');
});

test('all of it works by keyboard: arrows, numbers, undo', { skip }, async () => {
  await editor(one.page, 'wrong-way');
  await one.page.getByRole('button', { name: 'Add a zone' }).click();
  const x = () => one.page.getByLabel('x 1', { exact: true }).inputValue();
  const began = await x();
  await one.page.getByRole('button', { name: /^Corner 1 of zone/ }).focus();
  await one.page.keyboard.press('ArrowRight');
  assert.notEqual(await x(), began);
  await one.page.getByLabel('x 1', { exact: true }).fill('12.5');
  await one.page.keyboard.press('Tab');
  assert.equal(await x(), '12.5');
  const corners = await one.page.locator('.still svg .corner').count();
  await one.page.getByRole('button', { name: 'Add a corner after 1' }).click();
  assert.equal(await one.page.locator('.still svg .chosen .corner').count() > 0 && await one.page.locator('.still svg .corner').count(), corners + 1);
  await one.page.getByRole('button', { name: 'Undo' }).click();
  assert.equal(await one.page.getByRole('button', { name: 'Redo' }).isEnabled(), true);
});

test('two points are no polygon: neither the page nor the server takes them', { skip }, async () => {
  await editor(one.page, 'junction');
  await one.page.locator('body').press('z');
  await click(one.page, 0.3, 0.3);
  await click(one.page, 0.4, 0.4);
  await one.page.keyboard.press('Enter');
  assert.equal(await one.page.getByRole('button', { name: 'Save', exact: true }).isDisabled(), true, 'nothing was added');
  await one.page.keyboard.press('Escape');
  const refused = await one.page.evaluate(async () => {
    const session = await (await fetch('/api/v1/session')).json();
    const had = await fetch('/api/v1/cameras/junction/scene');
    const scene = await had.json();
    scene.zones.push({ id: 'two', points: [[0.1, 0.1], [0.2, 0.2]] });
    const answer = await fetch('/api/v1/cameras/junction/scene', {
      method: 'PUT', body: JSON.stringify(scene), headers: { 'Content-Type': 'application/json', 'X-CSRF-Token': session.csrf, 'If-Match': had.headers.get('ETag') },
    });
    return { status: answer.status, body: await answer.json() };
  });
  assert.equal(refused.status, 422, JSON.stringify(refused.body));
  assert.match(String(refused.body.field), /zones/);
});

test('calibration points are checked, saved and in force', { skip }, async () => {
  await editor(one.page, 'junction');
  const read = async () => (await api(one.page, 'GET', '/cameras/junction/scene')).body.ground;
  const before = await read();
  assert.ok(before.points.length >= 4, 'the pipeline file has a calibration');
  await one.page.locator('.entry.ground').click();
  const east = one.page.getByLabel('1 East', { exact: false }).first();
  const moved = before.points[0].metres[0] + 0.25;
  await east.fill(String(moved));
  await east.press('Tab');
  await save(one.page);
  await one.page.getByText('Saved and in force').waitFor({ timeout: 30_000 });
  const after = await read();
  assert.ok(Math.abs(after.points[0].metres[0] - moved) < 0.002, JSON.stringify(after));
  assert.deepEqual(after.points.slice(1), before.points.slice(1));
  // All on one place: no ground explains it, and nothing changes.
  for (let point = 0; point < before.points.length; point += 1) {
    for (const [axis, value] of [['x', 50], ['y', 60]]) {
      const cell = one.page.getByLabel(`${point + 1} ${axis} %`, { exact: true });
      await cell.fill(String(value));
      await cell.press('Tab');
    }
  }
  await save(one.page);
  await one.page.locator('.note.alert').getByText('ground', { exact: true }).waitFor({ timeout: 30_000 });
  assert.deepEqual(await read(), after);
  await isAccessible(one.page, 'a refused calibration');
});

test('two tabs at one camera: the second is told and decides', { skip }, async () => {
  const two = await tab(browser, { viewport: { width: 1600, height: 900 } });
  await two.context.addCookies(await one.context.cookies());
  await editor(one.page, 'wrong-way');
  await editor(two.page, 'wrong-way');
  await one.page.locator('.shapes').getByRole('button', { name: 'Add a zone' }).click();
  await save(one.page);
  await one.page.getByText('Saved and in force').waitFor({ timeout: 30_000 });
  await two.page.locator('.shapes section').nth(1).getByRole('button').first().click();
  await two.page.locator('.page-head .button.primary').click();
  await two.page.locator('.note.warning').waitFor({ timeout: 30_000 });
  const zones = async () => (await api(one.page, 'GET', '/cameras/wrong-way/scene')).body.zones.map((zone) => zone.id);
  const saved = await zones();
  await isAccessible(two.page, 'two tabs');
  await two.page.locator('.note.warning .button').first().click();
  await two.page.locator('.note.warning').waitFor({ state: 'hidden' });
  assert.deepEqual(await zones(), saved, 'nothing of the first tab was overwritten');
  await two.context.close();
});
