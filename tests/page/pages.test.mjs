// Every page in both languages and every theme: no fault, no other origin, no breach of the CSP, nothing that axe sees.
// With PICTURES=folder it also keeps what the pages look like.

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { isAccessible, isClean, open, PASSWORD, signIn, signInFirst, tab } from './support/browser.mjs';
import { cannotRun, Site } from './support/program.mjs';

const skip = cannotRun;
const PAGES = {
  wall: 'wall?layout=4', camera: 'camera/junction', incidents: 'incidents?state=all', map: 'map', rules: 'rules/junction',
  counts: 'counts?camera=junction&range=15m', health: 'health', users: 'admin/users', sessions: 'admin/sessions', tokens: 'admin/tokens', audit: 'admin/audit',
};
const pictures = process.env.PICTURES;
let site, browser;

before(async () => {
  if (skip) return;
  [site, browser] = [await Site.begin(), await open()];
  if (pictures) mkdirSync(pictures, { recursive: true });
  const first = await tab(browser);
  await signInFirst(first.page, site.base, 'admin', site.password);
  await first.context.close();
});
after(async () => {
  await browser?.close();
  await site?.end();
});

for (const language of ['vi', 'en']) {
  test(`every page in ${language}`, { skip }, async () => {
    const one = await tab(browser, { viewport: { width: 1366, height: 768 } });
    await one.page.goto(site.base);
    await one.page.getByRole('button', { name: language === 'vi' ? 'Tiếng Việt' : 'English' }).click();
    if (pictures) await one.page.screenshot({ path: `${pictures}/login-${language}.png` });
    await signIn(one.page, site.base, 'admin', PASSWORD);
    await one.page.locator('nav').first().waitFor();
    for (const [name, address] of Object.entries(PAGES)) {
      await one.page.goto(`${site.base}/#/${address}`);
      await one.page.waitForTimeout(pictures ? 4000 : 1500);
      if (pictures) await one.page.screenshot({ path: `${pictures}/${name}-${language}.png` });
      const where = `${name} in ${language}`;
      await isAccessible(one.page, where);
      const wide = await one.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(wide <= 0, `${where} is ${wide} px wider than the window`);
    }
    await isClean(one, language);
    await one.context.close();
  });
}

for (const theme of ['light', 'contrast']) {
  test(`every page in the theme ${theme}`, { skip }, async () => {
    const one = await tab(browser);
    await one.context.addInitScript((chosen) => localStorage.setItem('vantage.theme', chosen), theme);
    await signIn(one.page, site.base, 'admin', PASSWORD);
    await one.page.locator('nav').first().waitFor();
    assert.equal(await one.page.locator('html').getAttribute('data-theme'), theme);
    for (const [name, address] of Object.entries(PAGES)) {
      await one.page.goto(`${site.base}/#/${address}`);
      await one.page.waitForTimeout(1500);
      await isAccessible(one.page, `${name}, ${theme}`);
      if (pictures) await one.page.screenshot({ path: `${pictures}/${name}-${theme}.png` });
    }
    await isClean(one, theme);
    await one.context.close();
  });
}

test('the wall on a video wall of 4K', { skip }, async () => {
  const one = await tab(browser, { viewport: { width: 3840, height: 2160 } });
  await signIn(one.page, site.base, 'admin', PASSWORD);
  await one.page.locator('nav').first().waitFor();
  for (const layout of ['4', '1%2B5']) {
    await one.page.goto(`${site.base}/#/wall?layout=${layout}`);
    await one.page.locator('article.tile').nth(2).waitFor();
    await one.page.waitForTimeout(pictures ? 5000 : 1500);
    const canvas = await one.page.locator('article.tile canvas').first().boundingBox();
    assert.ok(canvas.width > 1000 && canvas.height > 560, `the first tile is ${canvas.width} x ${canvas.height}`);
    const { wide, high } = await one.page.evaluate(() => ({ wide: document.documentElement.scrollWidth - innerWidth, high: document.documentElement.scrollHeight - innerHeight }));
    assert.ok(wide <= 0 && high <= 0, `it is ${wide} px too wide, ${high} px too high`);
    await isAccessible(one.page, `4K, layout ${layout}`);
    if (pictures) await one.page.screenshot({ path: `${pictures}/wall-4k-${layout[0]}.png` });
  }
  await isClean(one, '4K');
  await one.context.close();
});

test('the first paint comes within a second', { skip }, async (context) => {
  const one = await tab(browser);
  await one.page.goto(site.base);
  await one.page.locator('input[name=user]').waitFor();
  const painted = await one.page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime);
  context.diagnostic(`first contentful paint after ${Math.round(painted)} ms`);
  await one.context.close();
});
