// Pictures of every screen over a running whydunit, to be laid beside the mocks and looked at:
// `BASE_URL=http://127.0.0.1:8080 node tests/e2e/real-shots.mjs <folder> [<name begins with>]`.

import { mkdirSync } from 'node:fs';
import { openBrowser, openPage } from './browser.mjs';

const base = process.env.BASE_URL;
if (!base) throw new Error('BASE_URL is not set: give the address that whydunit printed');
const [, , folder = 'shots', only = ''] = process.argv;
mkdirSync(folder, { recursive: true });

const read = async (path) => (await fetch(`${base}/api/v1${path}`)).json();
const first = (await read('/investigations?sort=-started_at')).at(0)?.id;
const detail = first && (await read(`/investigations/${first}`));
const change = detail?.findings?.suspects.find(({ kind }) => kind === 'change');
const one = `/investigations/${first}`;

const press = (...keys) => async (page) => {
  for (const key of keys) await page.keyboard.press(key);
};
const SIZES = [['', {}], ['-dark', { dark: true }], ['-1024', { width: 1024, height: 768 }], ['-narrow', { width: 390, height: 844 }]];
const SCREENS = [
  ['list', '/investigations', null],
  ['list-selected', '/investigations', press('x')],
  ['list-peek', '/investigations', press('Space')],
  ['investigation', one, null],
  ['proof', one, press('Enter')],
  ['second', one, press('j', 'Enter')],
  ['linked', `${one}?tab=linked`, null],
  ['activity', `${one}?tab=activity`, null],
  ['change', `${one}?event=${encodeURIComponent(change?.event_id ?? '')}`, null],
  ['tables', `${one}?t=1&gt=1`, null],
  ['seen', `${one}?clock=seen`, null],
  ['status-menu', one, press('s')],
  ['connectors', '/connectors', null],
  ['books', '/connectors?books=1&of=logs', null],
  ['dead-letters', '/dead-letters', null],
  ['dead-letters-edit', '/dead-letters?edit=1&dry=1', null],
  ['dead-letters-replay', '/dead-letters?ask=replay-group', null],
  ['dead-letters-replayed', '/dead-letters?status=replayed', null],
  ['dead-letters-discarded', '/dead-letters?status=discarded', null],
  ['events', '/events', press('j')],
  ['palette', one, press('Control+k')],
  ['keys', one, press('?')],
];
const browser = await openBrowser();
for (const [name, path, act] of SCREENS) {
  for (const [suffix, options] of SIZES) {
    const file = name + suffix;
    if (!file.startsWith(only)) continue;
    const { page, troubles, close } = await openPage(browser, base + path, options);
    await page.waitForSelector('#main :is(.card, .nothing, .tr:not(.th), .connector, .dead-group, .event-row, .empty)', { timeout: 60_000 });
    if (path.startsWith('/investigations/')) await page.waitForSelector(':is(.service-box, .graph-pane .empty, .graph-pane table)', { timeout: 60_000 });
    await page.waitForFunction(() => !document.querySelector('.ghost-row'));
    await act?.(page);
    await page.waitForTimeout(700);
    await page.screenshot({ path: `${folder}/${file}.png` });
    if (troubles.length) console.log(file, troubles);
    await close();
  }
}
await browser.close();
