// What the page costs before it can be used.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { openBrowser, openPage, serve } from './browser.mjs';

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
    await page.waitForSelector('.tr:not(.th)', { timeout: 60_000 });
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

test('a list of 2,000 is interactive within a second of the page\'s own time', async () => {
  const mock = await serve({ mode: 'large' });
  const browser = await openBrowser();
  try {
    const { page } = await openPage(browser, 'about:blank');
    // Processor time of the page's thread, not of the clock: the machine may be busy with other things.
    const session = await page.context().newCDPSession(page);
    await session.send('Performance.enable', { timeDomain: 'threadTicks' });
    await page.goto(`${mock.url}/investigations`);
    await page.waitForSelector('.tr:not(.th)', { timeout: 60_000 });
    const { metrics } = await session.send('Performance.getMetrics');
    const seconds = Object.fromEntries(metrics.map(({ name, value }) => [name, value]));
    const wall = await page.evaluate(() => performance.now());
    console.log(`list of 2,000: main thread ${(seconds.TaskDuration * 1000).toFixed(0)} ms, shown at ${wall.toFixed(0)} ms`);
    assert.ok(seconds.TaskDuration * 1000 <= INTERACTIVE_MS, `main thread ${seconds.TaskDuration} s`);
    assert.ok((await page.locator('.tr:not(.th)').count()) < 80, 'only the rows in sight are in the page');
  } finally {
    await browser.close();
    await mock.close();
  }
});

test('nothing in the build names another host to load from', () => {
  for (const name of readdirSync(`${DIST}assets`).filter((file) => /\.(css|js)$/.test(file))) {
    const text = readFileSync(`${DIST}assets/${name}`, 'utf8');
    assert.doesNotMatch(text, /url\(["']?(https?:|\/\/)/, name);
    assert.doesNotMatch(text, /import\(["']https?:/, name);
  }
  assert.doesNotMatch(readFileSync(`${DIST}index.html`, 'utf8'), /<script(?![^>]*src=)|https?:\/\/|style=/);
});
