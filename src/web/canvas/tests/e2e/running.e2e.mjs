// The page over the real binary: `WHYDUNIT=<binary> npm run e2e:running`. One demo, and what a person does with it, in order.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { WAIT, openBrowser, openPage, outOfPlace, strike, until, violations } from './browser.mjs';
import { startDemo } from './demo.mjs';

const BINARY = process.env.WHYDUNIT;
const READY = '#main :is(.card, .tr:not(.th), .connector, .dead-group, .event-row, .empty)';
/** Bytes that no format begins with, a cut line, an event with a word nobody knows. */
const GARBAGE = [Buffer.from('cb3d64069481be21c9c727b8db8c188f', 'hex'), Buffer.from('07e7597335857613', 'hex'), Buffer.from('{"level":"ERROR","service":"cart","message":"cut he')];

let browser;
let demo;
let id;

const story = (name, run) => test(name, { timeout: 900_000, skip: BINARY ? false : 'WHYDUNIT is not set' }, run);

before(async () => {
  if (!BINARY) return;
  browser = await openBrowser();
  demo = await startDemo(BINARY);
});
after(async () => {
  await browser?.close();
  await demo?.stop();
});

/** Opens a page, lets `act` use it, and sees that nothing went wrong in it: no error, no refused request. */
async function on(path, act, options = {}) {
  const { page, troubles, close } = await openPage(browser, demo.url + path, { answered: true, ...options });
  try {
    await page.waitForSelector(READY, WAIT);
    await act(page);
    assert.deepEqual(troubles, []);
  } finally {
    await close();
  }
}
const text = (page, selector) => page.locator(selector).first().textContent();
/** Types into what the last key opened, once it has the focus. */
async function typed(page, selector, words) {
  await page.waitForSelector(`${selector}:focus`, WAIT);
  await page.keyboard.type(words);
  await page.keyboard.press('Enter');
}
const investigation = () => demo.read(`/investigations/${id}`);
/** The page says what a person decided before the server has it. */
const confirmed = () => until('the verdict is stored', async () => (await investigation()).findings.suspects.find(({ verdict }) => verdict === 'confirmed')?.entity === '9c41e07b of payment');

story('an investigation appears by itself on the open page, and says what broke, since when and after which change', async () => {
  await on('/investigations', async (page) => {
    assert.equal(await page.locator('.tr:not(.th)').count(), 0, 'the page was opened too late to see it appear');
    let loads = 0;
    page.on('load', () => (loads += 1));
    await page.waitForSelector('.tr:not(.th)', { timeout: 300_000 });
    assert.match(await text(page, '.tr:not(.th) .c-what'), /payment|checkout|gateway/);
    [{ id }] = await demo.read('/investigations?sort=-started_at');
    await until('the change is suspected', async () => /9c41e07b of payment/.test(await text(page, '.tr:not(.th) .c-suspect')));
    await page.keyboard.press('Enter');
    await page.waitForSelector('.card[aria-current]', WAIT);
    await until('the sentence names the change', async () => /since \d\d:\d\d, .*9c41e07b of payment by ilse-marchetti/.test(await text(page, '.head h1')));
    assert.match(await text(page, '.facts'), /sure of the cause: \.\d/);
    assert.match(await text(page, '.card[aria-current] .diff'), /max_connections: 40 → 8/);
    assert.equal(loads, 0, 'nothing was loaded anew');
  });
});

story('from the suspect to its proof: brush, event, diff, graph, charts, timeline', async () => {
  await on(`/investigations/${id}`, async (page) => {
    await page.waitForSelector('.service-box.origin', WAIT);
    await page.waitForSelector('.event-title', WAIT);
    await page.keyboard.press('Enter');
    await page.waitForSelector('.timeline .token', WAIT);
    assert.match(await text(page, '.timeline .token'), /brush 2 min/);
    await page.waitForSelector('.service-box.focus', WAIT);
    await page.keyboard.press('d');
    await page.waitForSelector('.diff-line.came', WAIT);
    assert.match(await text(page, '.diff-line.went'), /max_connections: 40/);
    assert.match(await text(page, '.diff-line.came'), /max_connections: 8/);
    await page.waitForSelector('.charts canvas', WAIT);
    await page.getByRole('tab', { name: /Linked/ }).click();
    await page.waitForSelector('.linked-note', WAIT);
    await page.locator('.linked li button').first().click();
    await page.waitForSelector('.event-source', WAIT);
    await page.waitForSelector('.belonging', WAIT);
    assert.match(await text(page, '.belonging summary'), /^Belongs here Linked by whydunit: ./);
    await page.locator('.belonging summary').click();
    await until('what it went by', async () => (await page.locator('.belonging li:visible').count()) >= 3);
    await page.keyboard.press('t');
    await page.waitForSelector('.timeline-table td', WAIT);
    await page.keyboard.press('t');
    const words = await page.getAttribute('canvas[role=img]', 'aria-label');
    assert.match(words, /Onset \d\d:\d\d:\d\d.*Changes [1-9].*Git [1-9].*CI [1-9].*Metrics \d.*Logs \d.*Traces \d/s);
  });
});

story('an event that is not linked says why not', async () => {
  const note = (await demo.read('/events?type=note')).find((event) => !event.investigation_ids.length);
  await on(`/investigations/${id}?event=${encodeURIComponent(note.id)}`, async (page) => {
    await page.waitForSelector('.belonging', WAIT);
    assert.match(await text(page, '.belonging summary'), /^Not linked A note is no finding of a detector/);
  });
});

story('a note and a verdict are still there after a reload, and undo takes a verdict back', async () => {
  await on(`/investigations/${id}`, async (page) => {
    await page.keyboard.press('c');
    await page.waitForSelector('.composer textarea:focus', WAIT);
    await page.keyboard.type('the pool is **per pod**');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.note-body strong', WAIT);
    await page.locator('.pane-head').first().click();
    await page.keyboard.press('y');
    await page.waitForSelector('.verdict.confirmed', WAIT);
    await confirmed();
    await page.reload();
    await page.waitForSelector('.note-body strong', WAIT);
    await page.waitForSelector('.verdict.confirmed', WAIT);
    await page.keyboard.press('n');
    await page.waitForSelector('.verdict.refuted', WAIT);
    await page.waitForSelector('.toast button >> text=Undo', WAIT);
    await page.keyboard.press('Control+z');
    await page.waitForSelector('.verdict.confirmed', WAIT);
    await confirmed();
  });
});

story('status, priority, assignee and tags are set by key and kept', async () => {
  await on(`/investigations/${id}`, async (page) => {
    for (const [key, choose] of [['s', 'In progress'], ['p', 'P2']]) {
      await page.keyboard.press(key);
      await page.getByRole('menuitem', { name: choose }).click();
      await page.waitForSelector(`.facts >> text=${choose}`, WAIT);
    }
    await page.keyboard.press('a');
    await page.waitForSelector('[role=dialog] button:focus', WAIT);
    await page.keyboard.press('Enter');
    await page.waitForSelector('.facts [aria-label=local]', WAIT);
    await page.keyboard.press('l');
    await typed(page, '[role=dialog] input', 'pool');
    await page.waitForSelector('.tags-chip >> text=pool', WAIT);
    await until('the last is stored', async () => (await investigation()).tags.length === 1);
  });
  const { status, priority, assigned_to, tags } = await investigation();
  assert.deepEqual({ status, priority, assigned_to, tags }, { status: 'in_progress', priority: 'p2', assigned_to: 'local', tags: ['pool'] });
});

story('every key of the timeline does what the sheet says', async () => {
  await on(`/investigations/${id}`, async (page) => {
    await page.waitForSelector('.charts canvas', WAIT);
    const span = () => new URL(page.url()).searchParams.get('from');
    const moved = async (key) => {
      const was = span();
      await page.keyboard.press(key);
      await until(`${key} moves the view`, () => span() !== was);
    };
    for (const key of ['+', '-', 'ArrowLeft', 'ArrowRight', '0']) await moved(key);
    await page.keyboard.press('b');
    await page.waitForSelector('.timeline .token', WAIT);
    await page.keyboard.press('b');
    await page.waitForSelector('.timeline .token', { state: 'detached', ...WAIT });
    const event = () => new URL(page.url()).searchParams.get('event');
    await page.keyboard.press('[');
    await until('a change is shown', () => event() !== null);
    const first = event();
    await page.keyboard.press('[');
    await until('the change before is shown', () => event() !== first);
    await page.keyboard.press(']');
    await until('and the one after it again', () => event() === first);
    await page.keyboard.press('w');
    await until('seen time', () => /clock=seen/.test(page.url()));
    await page.keyboard.press('w');
    await until('event time', () => !/clock=seen/.test(page.url()));
    for (const [keys, focused] of [[['g', 'g'], '.graph-pane'], [['m'], '.moved'], [['e'], '[role=tabpanel]']]) {
      await strike(page, ...keys);
      await page.waitForSelector(`${focused}:focus`, WAIT);
    }
    for (const [key, twin] of [['Shift+G', '.graph-pane table'], ['Shift+M', '.moved table']]) {
      await page.keyboard.press(key);
      await page.waitForSelector(twin, WAIT);
      await page.keyboard.press(key);
      await page.waitForSelector(twin, { state: 'detached', ...WAIT });
    }
    const [file] = await Promise.all([page.waitForEvent('download', WAIT), page.keyboard.press('Shift+E')]);
    assert.match(file.suggestedFilename(), /^wd-.*\.md$/);
    const current = () => page.getAttribute('.suspect-list [aria-current]', 'aria-label');
    const one = await current();
    await page.keyboard.press('j');
    await until('the next suspect', async () => (await current()) !== one);
    await page.keyboard.press('k');
    await until('the one before', async () => (await current()) === one);
  });
});

story('the list is filtered, searched, peeked into, and a view of it is saved', async () => {
  await on('/investigations', async (page) => {
    const rows = page.locator('.tr:not(.th)');
    const all = await rows.count();
    await page.keyboard.press('/');
    await page.waitForSelector('input[type=search]:focus', WAIT);
    await page.keyboard.type('no such thing');
    await page.waitForSelector('text=Nothing matches', WAIT);
    await page.getByRole('button', { name: 'Clear all filters' }).click();
    await until('all are back', async () => (await rows.count()) === all);
    await page.locator('.facets label', { hasText: 'production' }).locator('input').check();
    await until('the filter is in the address', () => /environment=production/.test(page.url()));
    await until('what matches is shown', async () => (await rows.count()) >= 1);
    await page.locator('.pane-head, .top h1').first().click();
    await page.keyboard.press('Shift+S');
    await typed(page, '[role=dialog] input', 'Ours');
    await page.waitForSelector('.saved-view [aria-pressed=true] >> text=Ours', WAIT);
    await page.getByRole('button', { name: 'All', exact: true }).click();
    await until('no filter', () => !/environment/.test(page.url()));
    await page.locator('.saved-view button').first().click();
    await until('the view is back', () => /environment=production/.test(page.url()) && /saved=Ours/.test(page.url()));
    await page.locator('.top h1').click();
    await page.keyboard.press('Space');
    await page.waitForSelector('.peek-suspects', WAIT);
    await page.keyboard.press('Space');
    await page.waitForSelector('.peek', { state: 'detached', ...WAIT });
  });
});

story('a false alarm is closed with one key, and comes back with undo', async () => {
  await on('/investigations', async (page) => {
    await page.keyboard.press('f');
    await page.waitForSelector('.toast >> text=closed as false alarm', WAIT);
    await until('it is closed', async () => (await investigation()).close_reason === 'false_alarm');
    await page.keyboard.press('Control+z');
    await until('it is as it was', async () => (await investigation()).status === 'in_progress');
  });
});

story('six connectors read, with rates that move', async () => {
  await on('/connectors', async (page) => {
    await until('six cards', async () => (await page.locator('.connector').count()) === 6);
    const last = () => page.locator('.connector', { hasText: 'shop.logs' }).locator('.connector-rates .end').textContent();
    const before = await last();
    assert.match(before, /last \d\d:\d\d:\d\d/);
    await until('a newer record is read', async () => (await last()) !== before);
    const read = page.locator('.connector', { hasText: 'shop.traces' }).locator('.connector-numbers > div').nth(1).locator('dd').first();
    await until('traces have a rate', async () => Number(await read.textContent()) > 0);
    await page.keyboard.press('j');
    const name = await text(page, '.connector.current .connector-name');
    await page.keyboard.press('p');
    await page.waitForSelector('.connector.current >> text=Resume', WAIT);
    // What does not read is said on the other pages too.
    const other = await openPage(browser, `${demo.url}/investigations`);
    await other.page.waitForSelector(`.standing >> text=${name} is paused since`, WAIT);
    await other.close();
    await page.keyboard.press('p');
    await page.waitForSelector('.connector.current >> text=Running', WAIT);
  });
});

story('records that nobody can read are dead letters, alike ones in one group, and are discarded with a reason', async () => {
  for (const value of GARBAGE) await demo.produce('shop.logs', value);
  await on('/dead-letters', async (page) => {
    await until('two groups', async () => (await page.locator('.dead-group').count()) === 2);
    const group = page.locator('.dead-group', { hasText: 'neither JSON, OTLP protobuf' });
    assert.match(await group.textContent(), /2 waiting/);
    await group.click();
    await page.locator('.dead-title').click();
    await page.locator('button', { hasText: 'Show its bytes' }).click();
    await page.waitForSelector('.letter-code >> text=000000  ', WAIT);
    await page.keyboard.press('v');
    await until('another view', () => /view=pretty/.test(page.url()));
    await page.keyboard.press('l');
    await page.waitForSelector('text=record 2 of 2', WAIT);
    await page.keyboard.press('Shift+Delete');
    await typed(page, '[role=dialog] input', 'sent by a test');
    await until('one is waiting', async () => /1 waiting/.test(await group.textContent()));
  });
});

story('a dead letter is mended on the page, tried, replayed, and its event is there; the rest of the group fails again and says so', async () => {
  await on('/dead-letters', async (page) => {
    await page.locator('.dead-group', { hasText: 'neither JSON, OTLP protobuf' }).click();
    await page.locator('.dead-title').click();
    await page.locator('button', { hasText: 'Show its bytes' }).click();
    await page.waitForSelector('.letter-code >> text=000000  ', WAIT);
    const id = new URL(page.url()).searchParams.get('letter');
    await page.keyboard.press('Shift+R');
    await page.waitForSelector('[role=dialog] [type=submit]:focus', WAIT);
    await page.keyboard.press('Enter');
    await page.waitForSelector('.run >> text=/Done: 1 failed again and waits/', WAIT);
    await page.waitForSelector('.letter-facts >> text=/Replayed once; at .* it failed again/', WAIT);
    await page.keyboard.press('e');
    await page.waitForSelector('.letter-field:focus', WAIT);
    const mended = JSON.stringify({ resource: {}, level: 'ERROR', service: 'cart', message: 'mended by hand', timestamp: new Date().toISOString() });
    await page.fill('.letter-field', Buffer.from(mended).toString('hex'));
    await page.keyboard.press('Control+Enter');
    await page.waitForSelector('.desk-items >> text=mended by hand', WAIT);
    await page.keyboard.press('Escape');
    await page.keyboard.press('r');
    await page.waitForSelector('[role=dialog] >> text=as you edited it', WAIT);
    await page.waitForSelector('[role=dialog] [type=submit]:focus', WAIT);
    await page.keyboard.press('Enter');
    await page.waitForSelector('.run >> text=Done: 1 read.', WAIT);
    await page.reload();
    await page.waitForSelector('.run >> text=Done: 1 read.', WAIT);
    assert.equal(id === null || (await demo.read(`/dead-letters/${id}`)).status === 'replayed', true);
  });
});

story('the books of the running pipeline close, and unfold by partition', async () => {
  await on('/connectors?books=1', async (page) => {
    await page.waitForSelector('.totals >> text=The sum is exact', WAIT);
    await page.getByRole('button', { name: /partitions? of logs/ }).click();
    await page.waitForSelector('.books-table >> text=shop.logs / 0', WAIT);
    assert.doesNotMatch(await text(page, '.books'), /unaccounted|too many/);
    assert.equal(await page.locator('.loud-books').count(), 0);
  });
  const ledger = await demo.read('/ledger');
  assert.ok(ledger.closes && ledger.sums.records_read > 0);
});

story('a name is given the service that it means, and what comes under it counts there', async () => {
  await on('/connectors?names=1', async (page) => {
    for (const [field, words] of [['name', 'svc-a'], ['service', 'checkout'], ['reason', 'renamed in March']]) await page.fill(`.names-form [name=${field}]`, words);
    await page.keyboard.press('Enter');
    await page.waitForSelector('.names-table tr >> text=renamed in March', WAIT);
  });
  const [alias] = await demo.read('/aliases');
  assert.deepEqual([alias.name, alias.service, alias.set_by, alias.reason, alias.origin], ['svc-a', 'checkout', 'local', 'renamed in March', 'person']);
  await demo.produce('shop.manual', Buffer.from(JSON.stringify({ type: 'note', title: 'told of svc-a', service: 'svc-a', timestamp: new Date().toISOString() })));
  await until('its event is of checkout', async () => (await demo.read('/events?service=checkout&source=manual')).some(({ title }) => title === 'told of svc-a'));
});

story('events are searched, filtered and read', async () => {
  await on('/events', async (page) => {
    await page.keyboard.press('/');
    await page.waitForSelector('input[type=search]:focus', WAIT);
    await page.keyboard.type('payment');
    await until('the search is in the address', () => /q=payment/.test(page.url()));
    await page.waitForSelector('.event-row', WAIT);
    await page.locator('.events-facets label', { hasText: 'CI' }).locator('input').check();
    await until('the filter is in the address', () => /source=ci/.test(page.url()));
    await page.waitForSelector('.event-row >> text=Deployment of payment', WAIT);
    await page.locator('.event-row').first().click();
    await page.waitForSelector('.events-detail .event-source', WAIT);
    assert.match(await text(page, '.events-detail .event-source'), /shop\.ci \/ 0 \/ \d/);
  });
});

const PAGES = ['/investigations', '/investigations?peek=1', '@', '@?t=1&gt=1&tab=activity', '@?clock=seen&tab=linked', '/connectors', '/connectors?books=1&of=logs', '/connectors?names=1', '/dead-letters', '/dead-letters?edit=1&dry=1', '/events'];
for (const [dark, width, height] of [[false, 1440, 900], [true, 1024, 768]]) {
  story(`axe finds nothing and nothing is cut or lies on another, ${dark ? 'dark' : 'light'} at ${width} px`, async () => {
    for (const path of PAGES) {
      await on(path.replace('@', `/investigations/${id}`), async (page) => {
        await page.waitForFunction(() => !document.querySelector('.ghost-row'));
        assert.deepEqual(await violations(page), [], path);
        assert.deepEqual(await page.evaluate(outOfPlace), [], path);
        const words = await text(page, '#main');
        assert.doesNotMatch(words, /NaN|undefined|\[object|Infinity|Invalid/, path);
      }, { dark, width, height });
    }
  });
}

story('when the server stops, the page says so, since when, and keeps what it knows', async () => {
  const { page, close } = await openPage(browser, `${demo.url}/investigations/${id}`);
  await page.waitForSelector('.card[aria-current]', WAIT);
  const code = await demo.stop();
  await page.waitForSelector('.live.broken >> text=not live for', WAIT);
  await page.waitForSelector('.standing >> text=/The server does not answer since \\d\\d:\\d\\d:\\d\\d/', WAIT);
  await page.keyboard.press('c');
  await page.waitForSelector('.composer textarea:focus', WAIT);
  await page.keyboard.type('written without a server');
  await page.keyboard.press('Enter');
  await page.waitForSelector('text=Kept in this browser, sending again', WAIT);
  assert.ok((await page.locator('.card').count()) > 0);
  assert.equal(code, 0, 'the demo ends well');
  await close();
});
