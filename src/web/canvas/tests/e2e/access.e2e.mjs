// Every screen, light and dark, read by axe, and looked at for what is cut off.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ID } from '../mock/data.mjs';
import { WAIT, openBrowser, openPage, outOfPlace, serve, violations } from './browser.mjs';

const READY = '#main :is(.card, .tr:not(.th), .connector, .dead-group, .event-row, .told-one, .empty)';
const SCREENS = [
  ['investigations', '/investigations'],
  ['investigation', `/investigations/${ID}?event=ev-pool&b0=2026-11-23T14:01:30Z&b1=2026-11-23T14:03:30Z`],
  ['investigation as tables', `/investigations/${ID}?t=1&gt=1&tab=activity`],
  ['connectors', '/connectors'],
  ['books', '/connectors?books=1&of=logs'],
  ['names', '/connectors?names=1'],
  ['dead letters', '/dead-letters'],
  ['a dead letter edited', '/dead-letters?edit=1&dry=1'],
  ['events', '/events?event=ev-pool'],
  ['what was told of an investigation', `/investigations/${ID}?tab=told`],
  ['told', '/told'],
];

let browser;
let mock;
before(async () => {
  browser = await openBrowser();
  mock = await serve();
});
after(async () => {
  await browser.close();
  await mock.close();
});

for (const dark of [false, true]) {
  for (const [name, path] of SCREENS) {
    test(`${name}, ${dark ? 'dark' : 'light'}: axe finds nothing`, { timeout: 600_000 }, async () => {
      const { page, troubles, close } = await openPage(browser, mock.url + path, { dark });
      try {
        await page.waitForSelector(READY, WAIT);
        await page.waitForFunction(() => !document.querySelector('.ghost-row'));
        assert.deepEqual(await violations(page), []);
        assert.deepEqual(troubles, []);
      } finally {
        await close();
      }
    });
  }
}

test('the palette, the key sheet and a menu pass axe too', { timeout: 600_000 }, async () => {
  const { page, close } = await openPage(browser, `${mock.url}/investigations/${ID}`);
  try {
    await page.waitForSelector('.card', WAIT);
    await page.keyboard.press('?');
    await page.waitForSelector('.key-sheet');
    assert.deepEqual(await violations(page), []);
    await page.keyboard.press('Escape');
    await page.waitForSelector('.key-sheet', { state: 'detached' });
    await page.keyboard.press('Control+k');
    await page.waitForSelector('.mantine-Spotlight-action');
    assert.deepEqual(await violations(page), []);
    await page.keyboard.press('Escape');
    await page.waitForSelector('.mantine-Spotlight-action', { state: 'detached' });
    await page.keyboard.press('s');
    await page.waitForSelector('[role=menuitem]');
    assert.deepEqual(await violations(page), []);
  } finally {
    await close();
  }
});

for (const mode of ['incident', 'odd']) {
  for (const [width, height] of [[1440, 900], [1024, 768], [480, 900]]) {
    test(`${mode} data at ${width} px: nothing overlaps, nothing is cut without its whole text at hand`, { timeout: 600_000 }, async () => {
      const own = await serve({ mode });
      try {
        for (const path of ['/investigations', '/investigations?peek=1', `/investigations/${ID}`, '/connectors', '/connectors?books=1&of=logs', '/connectors?names=1', '/dead-letters', '/dead-letters?edit=1&dry=1', '/events']) {
          const { page, troubles, close } = await openPage(browser, own.url + path, { width, height });
          await page.waitForSelector(READY, WAIT);
          await page.waitForFunction(() => !document.querySelector('.ghost-row'));
          assert.deepEqual(await page.evaluate(outOfPlace), [], path);
          assert.deepEqual(troubles, [], path);
          await close();
        }
      } finally {
        await own.close();
      }
    });
  }
}
