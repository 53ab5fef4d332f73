// Every screen, light and dark, read by axe, and looked at for what is cut off.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { ID } from '../mock/data.mjs';
import { openBrowser, openPage, serve } from './browser.mjs';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const READY = '#main :is(.card, .tr:not(.th), .connector, .dead-group, .event-row, .empty)';
const SCREENS = [
  ['investigations', '/investigations'],
  ['investigation', `/investigations/${ID}?event=ev-pool&b0=2026-11-23T14:01:30Z&b1=2026-11-23T14:03:30Z`],
  ['investigation as tables', `/investigations/${ID}?t=1&gt=1&tab=activity`],
  ['connectors', '/connectors'],
  ['dead letters', '/dead-letters'],
  ['events', '/events?event=ev-pool'],
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

async function violations(page) {
  // Through the debugger, so that the page's own content security policy stays in force.
  await page.evaluate(AXE);
  const { violations: found } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'], runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
  return found.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 4).map(({ html, any }) => `${html.slice(0, 160)} (${any[0]?.message ?? ''})`).join(' | ')}`);
}

for (const dark of [false, true]) {
  for (const [name, path] of SCREENS) {
    test(`${name}, ${dark ? 'dark' : 'light'}: axe finds nothing`, { timeout: 180_000 }, async () => {
      const { page, troubles, close } = await openPage(browser, mock.url + path, { dark });
      try {
        await page.waitForSelector(READY, { timeout: 60_000 });
        await page.waitForFunction(() => !document.querySelector('.ghost-row'));
        assert.deepEqual(await violations(page), []);
        assert.deepEqual(troubles, []);
      } finally {
        await close();
      }
    });
  }
}

test('the palette, the key sheet and a menu pass axe too', { timeout: 180_000 }, async () => {
  const { page, close } = await openPage(browser, `${mock.url}/investigations/${ID}`);
  try {
    await page.waitForSelector('.card', { timeout: 60_000 });
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

/** Texts that stick out of their box without an ellipsis, boxes that lie on their sibling, a page that scrolls sideways. */
function outOfPlace() {
  const troubles = [];
  const visible = (box) => box.width > 1 && box.height > 1;
  if (document.documentElement.scrollWidth > window.innerWidth + 1) troubles.push(`the page is ${document.documentElement.scrollWidth} px wide`);
  for (const element of document.querySelectorAll('#main .trunc')) {
    if (element.scrollWidth > element.clientWidth + 1 && element.clientWidth > 0) {
      const titled = element.closest('[title]') || element.querySelector('[title]');
      if (!titled) troubles.push(`cut without a title: ${element.className} ${element.textContent.slice(0, 60)}`);
    }
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

for (const mode of ['incident', 'odd']) {
  for (const [width, height] of [[1440, 900], [1024, 768], [480, 900]]) {
    test(`${mode} data at ${width} px: nothing overlaps, nothing is cut without its whole text at hand`, { timeout: 240_000 }, async () => {
      const own = await serve({ mode });
      try {
        for (const path of ['/investigations', `/investigations/${ID}`, '/connectors', '/dead-letters', '/events']) {
          const { page, troubles, close } = await openPage(browser, own.url + path, { width, height });
          await page.waitForSelector(READY, { timeout: 60_000 });
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
