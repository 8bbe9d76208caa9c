// An incident on the real program: it appears by itself, its clip plays, people work on it, nobody overwrites anybody.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { api, isAccessible, isClean, open, PASSWORD, signIn, signInFirst, tab } from './support/browser.mjs';
import { cannotRun, Site, until } from './support/program.mjs';

const skip = cannotRun;
let site, browser, one;
before(async () => {
  if (skip) return;
  [site, browser] = [await Site.begin(), await open()];
  one = await tab(browser);
  await one.page.goto(site.base);
  await one.page.getByRole('button', { name: 'English' }).click();
  await signInFirst(one.page, site.base, 'admin', site.password);
});
after(async () => {
  await browser?.close();
  await site?.end();
});

const rows = (page) => page.locator('.queue li a');
const detail = (page) => page.locator('section.detail');
/** Opens an incident that can be worked on: a new one if there is any, else one that is reopened for it. */
const openOne = async () => {
  const { body } = await api(one.page, 'GET', '/incidents');
  const fresh = body.items.find((incident) => incident.state === 'new') ?? body.items[0];
  if (['resolved', 'false_alarm'].includes(fresh.state)) await api(one.page, 'POST', `/incidents/${fresh.id}/actions`, { action: 'reopen', version: fresh.version });
  await one.page.goto(`${site.base}/#/incidents/${fresh.id}`);
  await detail(one.page).locator('.title').getByText(/New|Acknowledged|Dispatched/).waitFor();
  return fresh.id;
};

test('an incident appears by itself, and says why', { skip }, async () => {
  await one.page.goto(`${site.base}/#/incidents`);
  await rows(one.page).first().waitFor({ timeout: 240_000 });
  await detail(one.page).getByRole('heading', { name: 'Why this alarm' }).waitFor();
  await detail(one.page).getByText('Thresholds').waitFor();
  assert.match(await one.page.title(), /^\(\d+\)/, 'the title counts new incidents');
  await isAccessible(one.page, 'incidents');
  await isClean(one, 'incidents');
});

test('its clip opens and plays by the space key', { skip }, async () => {
  await until('the clip', () => one.page.locator('.detail video').evaluate((video) => video.readyState >= 2 && video.duration > 1).catch(() => false), 120);
  const time = () => one.page.locator('.detail video').evaluate((video) => video.currentTime);
  const began = await time();
  await one.page.locator('body').press('Space');
  await until('the clip to play', async () => (await time()) > began, 20);
  await one.page.locator('body').press('Space');
  assert.equal(await one.page.locator('.detail video').evaluate((video) => video.paused), true);
});

test('acknowledged, dispatched and resolved by keyboard', { skip }, async () => {
  const id = await openOne();
  await one.page.locator('body').press('a');
  await detail(one.page).locator('.title').getByText('Acknowledged').waitFor();
  await one.page.locator('body').press('d');
  await one.page.locator('input[name=unit]').fill('Tổ tuần tra 12');
  await one.page.locator('input[name=note]').fill('đang tới hiện trường');
  await one.page.keyboard.press('Enter');
  await detail(one.page).locator('.title').getByText('Dispatched').waitFor();
  await isAccessible(one.page, 'a dispatched incident');
  await one.page.locator('body').press('r');
  await one.page.locator('form input[name=note]').press('Enter');
  await detail(one.page).locator('.title').getByText('Resolved').waitFor();
  const { body } = await api(one.page, 'GET', `/incidents/${id}`);
  assert.equal(body.state, 'resolved');
  assert.deepEqual(body.history.map((step) => step.action).slice(-3), ['acknowledge', 'dispatch', 'resolve']);
  assert.equal(body.unit, 'Tổ tuần tra 12');
});

test('two operators at once: the second is told, and overwrites nothing', { skip }, async () => {
  const id = await openOne();
  // The second tab hears nothing of the first: its stream is cut.
  const two = await tab(browser);
  await two.page.route('**/api/v1/stream', (route) => route.abort());
  await signIn(two.page, site.base, 'admin', PASSWORD);
  await two.page.locator('nav').first().waitFor();
  await two.page.goto(`${site.base}/#/incidents/${id}`);
  await detail(two.page).locator('h1').waitFor();
  await one.page.locator('body').press('x');
  await one.page.locator('select[name=reason]').selectOption('shadow');
  await one.page.locator('form.panel button.primary').click();
  await detail(one.page).locator('.title').getByText('False alarm').waitFor();
  await two.page.locator('body').press('r');
  await two.page.locator('form input[name=note]').press('Enter');
  await two.page.locator('.conflict').waitFor();
  await detail(two.page).locator('.title').getByText(/False alarm|Báo nhầm/).waitFor();
  assert.equal((await api(one.page, 'GET', `/incidents/${id}`)).body.state, 'false_alarm');
  await isAccessible(two.page, 'a conflict');
  await two.context.close();
});

test('the queue is gone through by J and K, and ? tells the keys', { skip }, async () => {
  await one.page.goto(`${site.base}/#/incidents?state=all&group=off`);
  await rows(one.page).nth(1).waitFor({ timeout: 240_000 });
  const chosen = () => one.page.locator('.queue a[aria-current=true]').getAttribute('href');
  await one.page.locator('body').press('j');
  const second = await chosen();
  await one.page.locator('body').press('k');
  assert.notEqual(await chosen(), second);
  await one.page.locator('body').press('?');
  await one.page.getByRole('dialog').getByText('Acknowledge').waitFor();
  await isAccessible(one.page, 'the list of keys');
  await one.page.keyboard.press('Escape');
});

test('what happened while the server was away is there when it is back, without a reload', { skip }, async () => {
  await one.page.goto(`${site.base}/#/incidents?state=all&group=off`);
  await rows(one.page).first().waitFor();
  await one.page.evaluate(() => (globalThis.stillHere = true));
  await site.stopProgram('SIGKILL');
  await one.page.getByText('No connection to the server.').waitFor();
  await site.run();
  await one.page.getByText('No connection to the server.').waitFor({ state: 'hidden', timeout: 60_000 });
  const before = (await api(one.page, 'GET', '/incidents?limit=1')).body.items[0].id;
  await until('an incident after the restart', async () => (await api(one.page, 'GET', '/incidents?limit=1')).body.items[0].id !== before, 240);
  await until('every incident on the page', async () => {
    const there = (await api(one.page, 'GET', '/incidents?limit=50')).body.items.map((incident) => incident.id);
    const shown = await rows(one.page).evaluateAll((links) => links.map((link) => link.getAttribute('href')));
    return there.every((id) => shown.some((href) => href.includes(id)));
  }, 30);
  assert.equal(await one.page.evaluate(() => globalThis.stillHere), true, 'the page was not reloaded');
});

test('a reload in the middle of a step: it was taken whole or not at all', { skip }, async () => {
  for (const wait of [0, 5, 40]) {
    const id = await openOne();
    const { body: before } = await api(one.page, 'GET', `/incidents/${id}`);
    await one.page.locator('body').press('n');
    await one.page.locator('form input[name=note], form textarea[name=note]').fill(`nạp lại ${wait}`);
    await one.page.keyboard.press('Enter');
    await one.page.waitForTimeout(wait);
    await one.page.reload();
    await detail(one.page).locator('.title').waitFor();
    const after = await until('the step', async () => {
      const { body } = await api(one.page, 'GET', `/incidents/${id}`);
      return body;
    }, 10);
    const added = after.history.slice(before.history.length);
    assert.ok(added.length <= 1 && after.version === before.version + added.length, JSON.stringify(added));
    if (added.length > 0) assert.equal(added[0].note, `nạp lại ${wait}`);
  }
  await isClean(one, 'after reloads');
});

test('a viewer reads and cannot act', { skip }, async () => {
  const made = await api(one.page, 'POST', '/users', { name: 'khach', role: 'viewer', wards: null, cameras: null });
  const two = await tab(browser);
  await signInFirst(two.page, site.base, 'khach', made.body.one_time_password, 'mot-mat-khau-khac-2026');
  await two.page.goto(`${site.base}/#/incidents?state=all`);
  await detail(two.page).locator('h1').waitFor();
  assert.equal(await two.page.locator('.actions button').count(), 0);
  const { body } = await api(two.page, 'GET', '/incidents');
  const refused = await api(two.page, 'POST', `/incidents/${body.items[0].id}/actions`, { action: 'reopen', version: body.items[0].version });
  assert.equal(refused.status, 403);
  await two.context.close();
});
