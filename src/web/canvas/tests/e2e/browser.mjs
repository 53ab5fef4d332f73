// One browser with a fresh profile, pages that collect what went wrong in them, and what axe says of one.

import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { startMock } from '../mock/server.mjs';

const ARGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];

/** A busy machine gets time; what holds ends the wait at once. */
export const WAIT = { timeout: 120_000 };

export async function openBrowser() {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ARGS, ...WAIT });
}

/** A stand-in server; fails with what to do when the app was not built. */
export async function serve(options) {
  if (!existsSync(fileURLToPath(new URL('../../dist/index.html', import.meta.url)))) throw new Error('the app is not built: run `npm run build` first');
  return startMock(options);
}

/** A page that collects what went wrong in it; with `answered`, refused and failed requests too. */
export async function openPage(browser, url, { width = 1440, height = 900, dark = false, reducedMotion = 'reduce', answered = false } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: dark ? 'dark' : 'light', reducedMotion });
  const page = await context.newPage();
  page.setDefaultTimeout(WAIT.timeout);
  const troubles = [];
  page.on('pageerror', (error) => troubles.push(`error: ${error.message}`));
  page.on('console', (message) => {
    // A refused request is a case under test; everything else that the console says is a defect.
    if (message.type() === 'error' && !/Failed to load resource/.test(message.text())) troubles.push(message.text());
  });
  if (answered) {
    page.on('response', (response) => response.status() >= 400 && troubles.push(`${response.status()} ${response.request().method()} ${response.url()}`));
    // A question that nobody waits for any more is taken back; that is no failure.
    page.on('requestfailed', (request) => request.failure()?.errorText !== 'net::ERR_ABORTED' && troubles.push(`${request.failure()?.errorText} ${request.url()}`));
  }
  await page.goto(url);
  return { page, troubles, close: () => context.close() };
}

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

/** What axe finds wrong on the page, a line each. */
export async function violations(page) {
  // Through the debugger, so that the page's own content security policy stays in force.
  await page.evaluate(AXE);
  const { violations: found } = await page.evaluate((runOnly) => window.axe.run(document, { resultTypes: ['violations'], runOnly }), RULES);
  return found.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 4).map(({ html, any }) => `${html.slice(0, 160)} (${any[0]?.message ?? ''})`).join(' | ')}`);
}

/** Texts that stick out of their box without an ellipsis, boxes that lie on their sibling, a page that scrolls sideways. */
export function outOfPlace() {
  const troubles = [];
  const visible = (box) => box.width > 1 && box.height > 1;
  if (document.documentElement.scrollWidth > window.innerWidth + 1) troubles.push(`the page is ${document.documentElement.scrollWidth} px wide`);
  for (const element of document.querySelectorAll('#main .trunc')) {
    if (element.scrollWidth > element.clientWidth + 1 && element.clientWidth > 0) {
      const titled = element.closest('[title]') || element.querySelector('[title]');
      if (!titled) troubles.push(`cut without a title: ${element.className} ${element.textContent.slice(0, 60)}`);
    }
  }
  for (const row of document.querySelectorAll('#main .tr')) {
    if (row.scrollHeight > row.clientHeight + 2) troubles.push(`a row is higher than its place: ${row.textContent.slice(0, 60)}`);
  }
  const groups = ['.facts > *', '.pane-head > *', '.card-head > *', '.meters > *', '.tr:not(.th):nth-child(1) > *', '.connector-numbers > *', '.charts > figure', '.suspect-list > *', '.card-acts > *', '.top > *', '.bar > *'];
  for (const selector of groups) {
    const byParent = new Map();
    for (const element of document.querySelectorAll(`#main ${selector}`)) byParent.set(element.parentElement, [...(byParent.get(element.parentElement) ?? []), element]);
    for (const children of byParent.values()) {
      const boxes = children.map((element) => [element, element.getBoundingClientRect()]).filter(([element, box]) => visible(box) && getComputedStyle(element).position !== 'absolute');
      boxes.forEach(([a, one], index) => boxes.slice(index + 1).forEach(([b, other]) => {
        const across = Math.min(one.right, other.right) - Math.max(one.left, other.left);
        const down = Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top);
        if (across > 1.5 && down > 1.5) troubles.push(`${selector}: "${a.textContent.slice(0, 40)}" lies on "${b.textContent.slice(0, 40)}"`);
      }));
    }
  }
  return troubles;
}

/** Asks again until `check` says yes. */
export async function until(what, check, timeoutMs = WAIT.timeout) {
  for (const end = Date.now() + timeoutMs; Date.now() < end; ) {
    if (await check()) return;
    await new Promise((wake) => setTimeout(wake, 50));
  }
  throw new Error(`never: ${what}`);
}

/** Strikes letters as fingers do: however busy the page is, they come within moments of each other. */
export async function strike(page, ...letters) {
  const session = await page.context().newCDPSession(page);
  const send = (type, letter) => session.send('Input.dispatchKeyEvent', { type, key: letter, text: type === 'keyDown' ? letter : undefined, code: `Key${letter.toUpperCase()}`, windowsVirtualKeyCode: letter.toUpperCase().charCodeAt(0) });
  await Promise.all(letters.flatMap((letter) => [send('keyDown', letter), send('keyUp', letter)]));
  await session.detach();
}
