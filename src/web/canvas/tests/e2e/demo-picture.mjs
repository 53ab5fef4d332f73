// The README's picture, taken from the running demo: `WHYDUNIT=<binary> node tests/e2e/demo-picture.mjs`.

import { statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { openBrowser, openPage, until } from './browser.mjs';
import { startDemo } from './demo.mjs';

const PICTURE = fileURLToPath(new URL('../../demo.png', import.meta.url));
const BYTES_MAX = 250 * 1024;
/** The failure has climbed to its callers by then. */
const HOT_SERVICES = 3;

const browser = await openBrowser();
const demo = await startDemo(process.env.WHYDUNIT ?? fileURLToPath(new URL('../../../../../target/debug/whydunit', import.meta.url)));
try {
  const found = async () => (await demo.read('/investigations?sort=-started_at'))[0];
  await until('an investigation whose failure has climbed', async () => ((await found())?.hot_services ?? 0) >= HOT_SERVICES, 240_000);
  const { page, troubles, close } = await openPage(browser, `${demo.url}/investigations/${(await found()).id}`, { width: 1360, height: 850 });
  await page.waitForSelector('.service-box.origin', { timeout: 60_000 });
  await page.waitForSelector('.charts canvas', { timeout: 60_000 });
  await page.keyboard.press('d');
  await page.waitForSelector('.diff-line.came', { timeout: 60_000 });
  await page.evaluate(() => document.activeElement?.blur());
  await page.waitForTimeout(800);
  await page.screenshot({ path: PICTURE });
  await close();
  const { size } = statSync(PICTURE);
  console.log(`${PICTURE}: ${size} bytes`, ...troubles);
  if (size > BYTES_MAX) throw new Error(`larger than ${BYTES_MAX} bytes`);
} finally {
  await browser.close();
  await demo.stop();
}
