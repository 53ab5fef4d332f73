// What the page costs before it can be used.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { ID } from '../mock/data.mjs';
import { WAIT, openBrowser, openPage, serve } from './browser.mjs';

const DIST = fileURLToPath(new URL('../../dist/', import.meta.url));
const FIRST_LOAD_KB = 250;
const INTERACTIVE_MS = 1_000;

const gzippedKb = (path) => gzipSync(readFileSync(DIST + path)).length / 1024;

test('the first load of the list stays within 250 KB of gzipped JavaScript, and nothing heavy is in it', async () => {
  const mock = await serve();
  const browser = await openBrowser();
  try {
    const { page } = await openPage(browser, 'about:blank');
    const scripts = [];
    page.on('request', (request) => request.resourceType() === 'script' && scripts.push(new URL(request.url()).pathname.slice(1)));
    await page.goto(`${mock.url}/investigations`);
    await page.waitForSelector('.tr:not(.th)', WAIT);
    const total = scripts.reduce((sum, path) => sum + gzippedKb(path), 0);
    console.log(`first load: ${total.toFixed(1)} KB gzipped in ${scripts.length} files`);
    assert.ok(scripts.length > 0);
    assert.ok(total <= FIRST_LOAD_KB, `${total.toFixed(1)} KB: ${scripts.join(', ')}`);
    assert.ok(!scripts.some((path) => /ServiceMap|Chart|Markdown|Palette/.test(path)), scripts.join(', '));
  } finally {
    await browser.close();
    await mock.close();
  }
});

/** Opens a page of the large stand-in and gives what its main thread spent until all of `shown` is there, ms. */
async function spentUntil(path, shown, look) {
  const mock = await serve({ mode: 'large' });
  const browser = await openBrowser();
  try {
    const { page } = await openPage(browser, 'about:blank');
    // Processor time of the page's thread, not of the clock: the machine may be busy with other things.
    const session = await page.context().newCDPSession(page);
    await session.send('Performance.enable', { timeDomain: 'threadTicks' });
    await page.goto(mock.url + path);
    for (const selector of shown) await page.waitForSelector(selector, WAIT);
    const { metrics } = await session.send('Performance.getMetrics');
    const spent = metrics.find(({ name }) => name === 'TaskDuration').value * 1000;
    console.log(`${path}: main thread ${spent.toFixed(0)} ms, shown at ${(await page.evaluate(() => performance.now())).toFixed(0)} ms`);
    await look?.(page);
    return spent;
  } finally {
    await browser.close();
    await mock.close();
  }
}

test('a list of 2,000 is interactive within a second of the page\'s own time', async () => {
  const spent = await spentUntil('/investigations', ['.tr:not(.th)'], async (page) => {
    assert.ok((await page.locator('.tr:not(.th)').count()) < 80, 'only the rows in sight are in the page');
  });
  assert.ok(spent <= INTERACTIVE_MS, `main thread ${spent} ms`);
});

test('an investigation of 10,000 events, 200 marks in every lane, is usable within a second of the page\'s own time', async () => {
  const spent = await spentUntil(`/investigations/${ID}`, ['.card[aria-current]', 'canvas[role=img]', '.service-box', '.charts canvas', '.event-title'], async (page) => {
    assert.match(await page.textContent('[role=tablist]'), /Linked 10,000/);
  });
  assert.ok(spent <= INTERACTIVE_MS, `main thread ${spent} ms`);
});

test('nothing in the build names another host to load from', () => {
  for (const name of readdirSync(`${DIST}assets`).filter((file) => /\.(css|js)$/.test(file))) {
    const text = readFileSync(`${DIST}assets/${name}`, 'utf8');
    assert.doesNotMatch(text, /url\(["']?(https?:|\/\/)/, name);
    assert.doesNotMatch(text, /import\(["']https?:/, name);
  }
  assert.doesNotMatch(readFileSync(`${DIST}index.html`, 'utf8'), /<script(?![^>]*src=)|https?:\/\/|style=/);
});
