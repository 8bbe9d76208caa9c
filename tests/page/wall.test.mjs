// The wall and a camera on the real program: pictures come, a lost camera is seen, a restart is survived.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { isAccessible, isClean, open, signInFirst, tab } from './support/browser.mjs';
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

/** The colours of a few points: a picture that moves changes them. */
const look = (locator) => locator.evaluate((canvas) => {
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  const points = [];
  for (let at = 0; at < data.length; at += 4 * 997) points.push(data[at], data[at + 1], data[at + 2]);
  return points;
});
const isDrawn = (points) => new Set(points).size > 20;

test('every camera has a tile with a picture that moves', { skip }, async () => {
  await one.page.goto(`${site.base}/#/wall?layout=4`);
  await one.page.locator('article.tile').nth(2).waitFor();
  const canvas = one.page.locator('article.tile canvas').first();
  const first = await until('a first picture', async () => { const seen = await look(canvas); return isDrawn(seen) && seen; });
  await until('another picture', async () => String(await look(canvas)) !== String(first), 30);
  await isAccessible(one.page, 'wall');
  await isClean(one, 'wall');
});

test('layout and cameras live in the address', { skip }, async () => {
  await one.page.goto(`${site.base}/#/wall?layout=1%2B5&cameras=wrong-way,junction`);
  await one.page.locator('article.tile').nth(1).waitFor();
  assert.equal(await one.page.locator('article.tile').count(), 2);
  assert.match(await one.page.locator('article.tile').first().getAttribute('aria-label'), /Tôn Đức Thắng/);
  await one.page.keyboard.press('4');
  await until('the key 4', () => one.page.url().includes('layout=9'), 5);
  await one.page.getByRole('button', { name: 'Layout 16' }).click();
  assert.match(one.page.url(), /layout=16/);
  assert.match(one.page.url(), /cameras=wrong-way,junction/);
});

test('a message that is none does no harm', { skip }, async () => {
  const two = await tab(browser);
  await two.context.addCookies(await one.context.cookies());
  await two.page.routeWebSocket(/\/api\/v1\/live$/, (socket) => {
    const server = socket.connectToServer();
    const bad = [Buffer.alloc(0), Buffer.from([1, 2]), Buffer.from([255, 255, 255, 255, 0]), Buffer.from('\x05\0\0\0nope!'), Buffer.from('\x02\0\0\0{}rest'), Buffer.from('\x0d\0\0\0{"kind":null}'), 'no json', '{"kind":"state"}', 'null'];
    for (const message of bad) socket.send(message);
    server.onMessage((message) => {
      for (const broken of bad) socket.send(broken);
      socket.send(message);
    });
  });
  await two.page.goto(`${site.base}/#/wall?layout=1&cameras=junction`);
  const canvas = two.page.locator('article.tile canvas').first();
  await until('a picture between the broken messages', async () => isDrawn(await look(canvas)));
  await isClean(two, 'broken messages');
  await two.context.close();
});

test('a camera shows its own video, its events and its health', { skip }, async () => {
  await one.page.goto(`${site.base}/#/camera/junction`);
  await one.page.getByRole('heading', { name: 'Ngã tư Nguyễn Huệ – Lê Lợi' }).waitFor();
  await until('the video', () => one.page.locator('.focus video').evaluate((video) => !!globalThis.MediaSource && (video.videoWidth > 0 || document.querySelector('.focus canvas').width > 300)));
  await one.page.getByText('received fps').waitFor();
  await isAccessible(one.page, 'camera');
  await isClean(one, 'camera');
});

test('a lost camera is unmistakable, and comes back', { skip }, async () => {
  await one.page.goto(`${site.base}/#/wall?layout=4`);
  await one.page.locator('article.tile.running').first().waitFor();
  await site.stopCamera('wrong-way');
  const tile = one.page.locator('article.tile', { has: one.page.getByText('Đường Tôn Đức Thắng') });
  await tile.locator('.fault').waitFor({ timeout: 60_000 });
  assert.doesNotMatch(await tile.getAttribute('class'), /running/);
  await isAccessible(one.page, 'wall with a lost camera');
  await site.startCamera('wrong-way');
  await until('the camera again', async () => /running/.test(await tile.getAttribute('class')), 90);
});

test('a restart of the server is told, and survived without a reload', { skip }, async () => {
  await one.page.goto(`${site.base}/#/wall?layout=4`);
  await one.page.locator('article.tile.running').first().waitFor();
  await one.page.evaluate(() => (globalThis.stillHere = true));
  await site.stopProgram();
  await one.page.getByText('No connection to the server.').waitFor();
  await isAccessible(one.page, 'without a server');
  await site.run();
  await one.page.getByText('No connection to the server.').waitFor({ state: 'hidden', timeout: 60_000 });
  const canvas = one.page.locator('article.tile canvas').first();
  const before = await look(canvas);
  await until('pictures again', async () => String(await look(canvas)) !== String(before), 60);
  assert.equal(await one.page.evaluate(() => globalThis.stillHere), true, 'the page was not reloaded');
  await isClean(one, 'after the restart');
});
