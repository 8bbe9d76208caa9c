// A browser at the page. Every tab notes what no tab may do: errors, requests to another origin, breaches of the CSP.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { CHROMIUM } from './program.mjs';

const require = createRequire(new URL('../../../web/package.json', import.meta.url));
const { chromium } = require('playwright-core');
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

export const PASSWORD = 'mat-khau-cua-truc-ban-2026';

export const open = () => chromium.launch({
  executablePath: CHROMIUM, args: ['--no-sandbox', '--use-gl=swiftshader', '--enable-unsafe-swiftshader', '--autoplay-policy=no-user-gesture-required'],
});

/** A tab of its own session. `faults` is empty as long as all is well. */
export async function tab(browser, { language = 'en', viewport = { width: 1366, height: 768 } } = {}) {
  const context = await browser.newContext({ viewport, timezoneId: 'Europe/Lisbon' });
  await context.addInitScript((chosen) => {
    localStorage.setItem('vantage.language', chosen);
    localStorage.setItem('vantage.sound', 'off');
    globalThis.breaches = [];
    document.addEventListener('securitypolicyviolation', (event) => globalThis.breaches.push(`${event.violatedDirective} ${event.blockedURI}`));
  }, language);
  const page = await context.newPage();
  const faults = [];
  page.on('pageerror', (error) => faults.push(`error: ${error.message}`));
  page.on('request', (request) => {
    const { protocol, hostname } = new URL(request.url());
    if (!['blob:', 'data:'].includes(protocol) && hostname !== '127.0.0.1') faults.push(`other origin: ${request.url()}`);
  });
  return { page, context, faults };
}

/** From wherever the tab is; a login page that is open already stays, with the language chosen on it. */
export async function signIn(page, base, user, password) {
  if (!(await page.locator('input[name=user]').isVisible())) await page.goto(base);
  await page.locator('input[name=user]').fill(user);
  await page.locator('input[name=password]').fill(password);
  await page.locator('form button.primary').click();
}

/** The first login with a one-time password, which has to be changed. */
export async function signInFirst(page, base, user, oneTime, password = PASSWORD) {
  await signIn(page, base, user, oneTime);
  await page.locator('input[name=old]').fill(oneTime);
  await page.locator('input[name=new]').fill(password);
  await page.locator('input[name=again]').fill(password);
  await page.locator('form button.primary').click();
  await page.locator('nav').first().waitFor();
}

/** Nothing went wrong in the tab, and nothing on it breaks WCAG 2.2 A or AA as far as axe can tell. */
export async function isClean({ page, faults }, where) {
  assert.deepEqual(faults, [], where);
  assert.deepEqual(await page.evaluate(() => globalThis.breaches), [], `${where}: Content-Security-Policy`);
}

export async function isAccessible(page, where) {
  // Colours on their way from one to another are not what people read: the page rests while it is looked at.
  await page.emulateMedia({ reducedMotion: 'reduce' });
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] }));
  await page.emulateMedia({ reducedMotion: null });
  const told = violations.flatMap((one) => one.nodes.map((node) => `${one.id}: ${node.target.join(' ')} ${node.any[0]?.message ?? ''}`));
  assert.deepEqual(told, [], `${where}: accessibility`);
}

/** Calls the interface as the page does, from within it. */
export const api = (page, method, path, body) => page.evaluate(async ([verb, where, what]) => {
  const session = await (await fetch('/api/v1/session')).json();
  const answer = await fetch(`/api/v1${where}`, {
    method: verb, headers: { 'Content-Type': 'application/json', 'X-CSRF-Token': session.csrf }, ...(what !== undefined && { body: JSON.stringify(what) }),
  });
  const text = await answer.text();
  return { status: answer.status, body: text ? JSON.parse(text) : null };
}, [method, path, body]);
