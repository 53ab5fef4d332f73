// Pictures of every screen, to be looked at: `node tests/e2e/shots.mjs <folder>`.

import { mkdirSync } from 'node:fs';
import { ID } from '../mock/data.mjs';
import { openBrowser, openPage, serve } from './browser.mjs';

const folder = process.argv[2] ?? 'shots';
const only = process.argv[3];
mkdirSync(folder, { recursive: true });
const browser = await openBrowser();
const SHOTS = [
  ['investigations', '/investigations', {}],
  ['investigations-dark', '/investigations', { dark: true }],
  ['investigation', `/investigations/${ID}`, { proof: true }],
  ['investigation-dark', `/investigations/${ID}`, { proof: true, dark: true }],
  ['investigation-1024', `/investigations/${ID}`, { width: 1024, height: 768, proof: true }],
  ['investigation-480', `/investigations/${ID}`, { width: 480, height: 900 }],
  ['investigations-480', '/investigations', { width: 480, height: 900 }],
  ['investigations-1024', '/investigations', { width: 1024, height: 768 }],
  ['connectors', '/connectors', {}],
  ['connectors-dark', '/connectors', { dark: true }],
  ['dead-letters', '/dead-letters?group=fp-ci', {}],
  ['dead-letters-dark', '/dead-letters?group=fp-logs&view=hex', { dark: true }],
  ['events', '/events?event=ev-pool', {}],
  ['odd-investigation', `/investigations/${ID}`, { mode: 'odd' }],
  ['odd-investigations', '/investigations', { mode: 'odd' }],
  ['empty-investigations', '/investigations', { mode: 'empty' }],
  ['failing-investigations', '/investigations', { mode: 'failing' }],
  ['large-investigations', '/investigations', { mode: 'large' }],
];
for (const [name, path, { mode = 'incident', proof = false, ...options }] of SHOTS) {
  if (only && !name.startsWith(only)) continue;
  const mock = await serve({ mode });
  const { page, troubles, close } = await openPage(browser, mock.url + path, options);
  await page.waitForLoadState('load');
  await page.waitForSelector(mode === 'failing' ? '[role=alert]' : '#main :is(.card, .tr:not(.th), .connector, .dead-group, .event-row, .empty)', { timeout: 60_000 });
  if (mode !== 'failing' && path.startsWith('/investigations/')) await page.waitForSelector('.service-box', { timeout: 60_000 });
  if (proof) await page.keyboard.press('Enter');
  await page.waitForTimeout(900);
  await page.screenshot({ path: `${folder}/${name}.png` });
  if (troubles.length) console.log(name, troubles);
  await close();
  await mock.close();
}
await browser.close();
