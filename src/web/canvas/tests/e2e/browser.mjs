// One browser with a fresh profile, and pages over the stand-in server (or over BASE_URL).

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { startMock } from '../mock/server.mjs';

const ARGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];

export async function openBrowser() {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ARGS });
}

/** A stand-in server; fails with what to do when the app was not built. */
export async function serve(options) {
  if (!existsSync(fileURLToPath(new URL('../../dist/index.html', import.meta.url)))) throw new Error('the app is not built: run `npm run build` first');
  return startMock(options);
}

/** A page that collects what went wrong in it. */
export async function openPage(browser, url, { width = 1440, height = 900, dark = false, reducedMotion = 'reduce' } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: dark ? 'dark' : 'light', reducedMotion });
  const page = await context.newPage();
  const troubles = [];
  page.on('pageerror', (error) => troubles.push(`error: ${error.message}`));
  page.on('console', (message) => {
    // A refused request is a case under test; everything else that the console says is a defect.
    if (message.type() === 'error' && !/Failed to load resource/.test(message.text())) troubles.push(message.text());
  });
  await page.goto(url);
  return { page, troubles, close: () => context.close() };
}
