// An engineer at three in the morning: stories over the stand-in server, which can be made to fail.

import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { ID, T0 } from '../mock/data.mjs';
import { WAIT, openBrowser, openPage, serve, strike, until } from './browser.mjs';

let browser;
let mock;
let open;
before(async () => void (browser = await openBrowser()));
after(() => browser.close());
beforeEach(async () => {
  mock = await serve();
  open = [];
});
afterEach(async () => {
  for (const close of open) await close();
  await mock.close();
});

async function at(path, options) {
  const opened = await openPage(browser, mock.url + path, options);
  open.push(opened.close);
  await opened.page.waitForSelector('#main :is(.card, .tr:not(.th), .connector, .dead-group, .event-row)', WAIT);
  return opened;
}
const story = (name, run) => test(name, { timeout: 600_000 }, run);

story('from the list to the proof with the keyboard alone', async () => {
  const { page, troubles } = await at('/investigations');
  await page.keyboard.press('j');
  await page.keyboard.press('k');
  await page.keyboard.press('Enter');
  await page.waitForSelector('.card[aria-current]', WAIT);
  await until('the title says it', async () => /checkout is failing/.test(await page.title()));
  assert.match(await page.textContent('.head h1'), /14 % of requests since 14:02, 3 min after deploy 8f2c1e of payment/);
  await page.keyboard.press('Enter');
  await page.waitForSelector('.event-title', WAIT);
  assert.match(await page.textContent('.event-title'), /pool exhausted/);
  assert.match(await page.textContent('.timeline .token'), /brush 2 min/);
  await page.waitForSelector('.service-box.focus', WAIT);
  assert.match(await page.textContent('.service-box.focus'), /payment/);
  await until('the address says it', () => /suspect=.*event=ev-pool|event=ev-pool.*suspect=/.test(page.url()));
  assert.deepEqual(troubles, []);
});

story('what is in the address is what is shown, after a reload and for a colleague', async () => {
  const first = await at(`/investigations/${ID}`);
  await first.page.keyboard.press('j');
  await first.page.keyboard.press('Enter');
  await first.page.keyboard.press('t');
  await first.page.waitForSelector('.timeline-table', WAIT);
  await until('the address is written', () => /t=1/.test(first.page.url()) && /suspect=/.test(first.page.url()));
  const second = await at(first.page.url().replace(mock.url, ''));
  await second.page.waitForSelector('.timeline-table', WAIT);
  assert.equal(await second.page.getAttribute('.card[aria-current]', 'aria-label'), await first.page.getAttribute('.card[aria-current]', 'aria-label'));
});

story('confirming by key is stored, said, and taken back by undo', async () => {
  const { page } = await at(`/investigations/${ID}`);
  await page.keyboard.press('y');
  await page.waitForSelector('.verdict.confirmed', WAIT);
  // The page says it before the server has it.
  await until('it is stored', () => mock.state.investigations.get(ID).findings.suspects.find(({ id }) => id === 'change:ev-deploy').verdict === 'confirmed');
  await page.waitForSelector('.toast button >> text=Undo', WAIT);
  await page.keyboard.press('Control+z');
  await page.waitForSelector('.verdict.confirmed', { state: 'detached', ...WAIT });
  await page.keyboard.press('n');
  await page.waitForSelector('.verdict.refuted', WAIT);
});

story('several are closed as false alarm with one key and come back with undo', async () => {
  const { page } = await at('/investigations');
  const names = () => mock.state.list.filter(({ status }) => status === 'closed').map(({ symptom }) => symptom);
  await page.keyboard.press('x');
  await page.keyboard.press('j');
  await page.keyboard.press('x');
  await page.waitForSelector('.bulk >> text=2 selected', WAIT);
  await page.keyboard.press('f');
  await page.waitForSelector('.toast >> text=2 investigations closed as false alarm', WAIT);
  assert.equal(names().length, 2);
  await page.keyboard.press('Control+z');
  await until('both are open again', () => names().length === 0);
  await until('in progress as before', () => mock.state.list.slice(0, 2).every(({ status }) => status === 'in_progress'));
});

story('filters stand in the address, combine, and come off', async () => {
  const { page } = await at('/investigations');
  await page.getByRole('checkbox', { name: /^Critical/ }).check();
  await until('only the critical', async () => (await page.locator('.tr:not(.th)').count()) === 2);
  await until('the filter is in the address', () => /severity=critical/.test(page.url()));
  await page.keyboard.press('/');
  await page.waitForSelector('input[type=search]:focus', WAIT);
  await page.keyboard.type('checkout');
  await until('one is left', async () => (await page.locator('.tr:not(.th)').count()) === 1);
  await page.locator('.token').first().click();
  await until('the filter is off', () => !/severity/.test(page.url()));
});

story('two people change it: nothing is overwritten unseen', async () => {
  const { page } = await at(`/investigations/${ID}`);
  await page.waitForSelector('.facts .chip', WAIT);
  mock.control.refuseStream = true;
  const found = mock.state.investigations.get(ID);
  mock.state.investigations.set(ID, { ...found, priority: 'p1', version: found.version + 1 });
  mock.state.activity.push({ id: 99, investigation_id: ID, at: new Date(T0).toISOString(), who: 'M. Silva', what: 'edited', detail: 'priority' });
  await page.keyboard.press('p');
  await page.getByRole('menuitem', { name: 'P3' }).click();
  await page.waitForSelector('text=Not saved, changed by M. Silva', WAIT);
  await page.getByRole('button', { name: 'show both' }).click();
  await page.waitForSelector('text=priority p3', WAIT);
  assert.equal(mock.state.investigations.get(ID).priority, 'p1');
  await page.getByRole('button', { name: 'Save mine' }).click();
  await until('mine is saved', () => mock.state.investigations.get(ID).priority === 'p3');
});

story('a note survives a server that does not store and a page that is closed', async () => {
  const { page } = await at(`/investigations/${ID}`);
  mock.control.notesFail = true;
  await page.keyboard.press('c');
  await page.waitForSelector('.composer textarea:focus', WAIT);
  await page.keyboard.type('the pool is per pod');
  await page.keyboard.press('Enter');
  await page.waitForSelector('text=Kept in this browser, sending again in 5 s', WAIT);
  await page.reload();
  await page.waitForSelector('.composer textarea', WAIT);
  assert.equal(await page.inputValue('.composer textarea'), 'the pool is per pod');
  mock.control.notesFail = false;
  await page.focus('.composer textarea');
  await page.keyboard.press('Enter');
  await page.waitForSelector('.note-body >> text=the pool is per pod', WAIT);
  await until('the composer is empty', async () => (await page.inputValue('.composer textarea')) === '');
});

story('a note is Markdown, and never HTML', async () => {
  const { page } = await at(`/investigations/${ID}`);
  await page.keyboard.press('c');
  await page.waitForSelector('.composer textarea:focus', WAIT);
  await page.keyboard.type('**bold** <img src=x onerror=alert(1)> [x](javascript:alert(1)) <script>alert(1)</script>');
  await page.keyboard.press('Enter');
  await page.waitForSelector('.note-body strong >> text=bold', WAIT);
  assert.equal(await page.locator('.note-body :is(img, script)').count(), 0);
  assert.equal(await page.locator('.note-body a[href^="javascript"]').count(), 0);
});

story('what changes on the server is seen without a reload, also after the stream broke', async () => {
  const { page } = await at('/investigations');
  await page.waitForSelector('.live >> text=live', WAIT);
  mock.state.list[1].symptom = 'search is down';
  mock.publish({ type: 'investigation_changed', id: mock.state.list[1].id, revision: 4, version: 1 });
  await page.waitForSelector('text=search is down', WAIT);
  mock.control.refuseStream = true;
  mock.dropStreams();
  await page.waitForSelector('.live.broken', WAIT);
  mock.state.list[1].symptom = 'search is up again';
  mock.control.refuseStream = false;
  await page.waitForSelector('.live:not(.broken) >> text=live', WAIT);
  mock.publish({ type: 'reset' });
  await page.waitForSelector('text=search is up again', WAIT);
});

story('a server in trouble shows what is known, how old it is, and a way to try again', async () => {
  const { page } = await at('/investigations');
  mock.control.failing = true;
  mock.publish({ type: 'investigation_changed', id: ID, revision: 1, version: 1 });
  await page.waitForSelector('[role=alert] >> text=The list could not be read', WAIT);
  assert.match(await page.textContent('[role=alert]'), /database busy.*Shown as of/);
  assert.ok((await page.locator('.tr:not(.th)').count()) > 5);
  mock.control.failing = false;
  await page.getByRole('button', { name: 'Retry' }).click();
  await page.waitForSelector('[role=alert]', { state: 'detached', ...WAIT });
});

story('the wheel zooms around the pointer, a drag brushes, brackets step through the changes', async () => {
  const { page } = await at(`/investigations/${ID}`);
  const canvas = page.locator('canvas[role=img]');
  await canvas.waitFor(WAIT);
  const box = await canvas.boundingBox();
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  await page.mouse.wheel(0, -400);
  await until('the view is in the address', () => /from=/.test(page.url()) && /to=/.test(page.url()));
  await page.mouse.move(box.x + 200, box.y + 100);
  await page.mouse.down();
  await page.mouse.move(box.x + 300, box.y + 100, { steps: 4 });
  await page.mouse.up();
  await page.waitForSelector('.timeline .token', WAIT);
  await page.keyboard.press('Escape');
  await page.waitForSelector('.timeline .token', { state: 'detached', ...WAIT });
  await page.keyboard.press('0');
  const event = () => new URL(page.url()).searchParams.get('event');
  await page.keyboard.press(']');
  await until('the change after the onset', () => event() !== null);
  const first = event();
  await page.keyboard.press(']');
  await until('the change after that', () => event() !== first);
  await page.keyboard.press('[');
  await until('and back', () => event() === first);
});

story('zooming stays smooth: a step costs the page less than 16 ms', async () => {
  const { page } = await at(`/investigations/${ID}`);
  const canvas = page.locator('canvas[role=img]');
  await canvas.waitFor(WAIT);
  await page.waitForSelector('.react-flow__node', WAIT);
  const box = await canvas.boundingBox();
  await page.mouse.move(box.x + box.width / 2, box.y + 100);
  const session = await page.context().newCDPSession(page);
  // Processor time of the page's thread, not of the clock: the machine may be busy with other things.
  await session.send('Performance.enable', { timeDomain: 'threadTicks' });
  const spent = async () => (await session.send('Performance.getMetrics')).metrics.find(({ name }) => name === 'TaskDuration').value * 1000;
  const start = await spent();
  const wheels = 60;
  for (let i = 0; i < wheels; i += 1) await page.mouse.wheel(0, i % 20 < 10 ? -60 : 60);
  const each = ((await spent()) - start) / wheels;
  console.log(`zoom: ${each.toFixed(1)} ms of main thread a step`);
  assert.ok(each < 16, `${each} ms`);
});

story('a connector is paused and resumed, a red one says why and is tried again', async () => {
  const { page } = await at('/connectors');
  assert.match(await page.textContent('.connector.red'), /Red because 412 of the last 500 records/);
  await page.keyboard.press('r');
  await until('one batch is tried', () => mock.state.connectors[0].state === 'half_open');
  await page.keyboard.press('p');
  await until('it is paused', () => mock.state.connectors[0].state === 'paused');
  await page.waitForSelector('.connector >> text=Resume', WAIT);
  await page.waitForSelector('.toast button >> text=Undo', WAIT);
  await page.keyboard.press('Control+z');
  await until('it goes on', () => mock.state.connectors[0].state === 'running');
});

story('a dead letter is read in three ways and discarded only with a reason', async () => {
  const { page } = await at('/dead-letters?group=fp-ci');
  await page.waitForSelector('.letter-fault', WAIT);
  assert.match(await page.textContent('.letter-fault'), /finished_at/);
  await page.keyboard.press('v');
  await page.keyboard.press('v');
  await page.waitForSelector('.letter-code >> text=000000  7b 22 62 75', WAIT);
  await page.keyboard.press('l');
  await page.waitForSelector('text=record 2 of 120', WAIT);
  await page.keyboard.press('Shift+Delete');
  await page.waitForSelector('[role=dialog] input:focus', WAIT);
  await page.keyboard.press('Enter');
  assert.equal(mock.state.letters.filter(({ status }) => status === 'discarded').length, 0);
  await page.keyboard.type('sent by a test');
  await page.keyboard.press('Enter');
  await until('one is discarded', () => mock.state.letters.filter(({ status }) => status === 'discarded').length === 1);
  assert.equal(mock.control.writes.at(-1).body.reason, 'sent by a test');
});

story('a value longer than the list holds is shown whole, not as a record without one', async () => {
  const { page } = await at('/dead-letters?group=fp-ci&view=raw');
  const long = JSON.stringify({ build: 'x'.repeat(3_000), last: 'the end' });
  Object.assign(mock.state.letters.find(({ id }) => id === 'dl-ci-0'), { value_base64: Buffer.from(long).toString('base64'), value_text: long, value_bytes: long.length });
  await page.reload();
  await page.waitForSelector('.letter-code >> text=the end', WAIT);
});

story('a dead letter is edited, tried without storing anything, and replayed as edited; what was typed survives a reload', async () => {
  const { page } = await at('/dead-letters?group=fp-ci');
  await page.waitForSelector('.letter-fault', WAIT);
  await page.keyboard.press('t');
  await page.waitForSelector('.desk-outcome >> text=Nothing could be read', WAIT);
  await page.keyboard.press('e');
  await page.waitForSelector('.letter-field:focus', WAIT);
  const value = await page.inputValue('.letter-field');
  await page.fill('.letter-field', value.replace('1795442880', '"2026-11-23T14:08:00Z"'));
  await page.waitForSelector('.desk-outcome >> text=1 item would be taken in', WAIT);
  await page.waitForSelector('.desk-items >> text=build finished of payment: Build 5524 of payment', WAIT);
  await page.reload();
  await page.waitForSelector('.desk-outcome >> text=1 item would be taken in', WAIT);
  assert.match(await page.inputValue('.letter-field'), /"finished_at":"2026-11-23T14:08:00Z"/);
  await page.locator('.letter-edit button', { hasText: 'Hex' }).click();
  await page.fill('.letter-field', '7b 2');
  await page.waitForSelector('[role=alert] >> text=odd number of hex digits', WAIT);
  assert.ok(await page.locator('.btn.primary', { hasText: 'Replay' }).isDisabled(), 'what is no bytes can be replayed');
  await page.locator('button', { hasText: 'As it came' }).click();
  await page.waitForSelector('.toast button >> text=Undo', WAIT);
  await page.keyboard.press('Control+z');
  await page.fill('.letter-field', Buffer.from(value.replace('1795442880', '"2026-11-23T14:08:00Z"')).toString('hex'));
  await page.keyboard.press('Escape');
  await page.keyboard.press('r');
  await page.waitForSelector('[role=dialog] >> text=as you edited it', WAIT);
  await page.waitForSelector('[role=dialog] [type=submit]:focus', WAIT);
  await page.keyboard.press('Enter');
  await until('it is asked for', () => mock.control.writes.some(({ path }) => path.endsWith('/replay')));
  const { body, path } = mock.control.writes.find((write) => write.path.endsWith('/replay'));
  assert.equal(path, '/api/v1/dead-letters/dl-ci-0/replay');
  assert.match(Buffer.from(body.value_base64, 'base64').toString(), /"finished_at":"2026-11-23T14:08:00Z"/);
  await page.waitForSelector('.letter-facts >> text=Replayed now', WAIT);
});

story('a group is replayed after a question, and how far it is shows after a reload too', async () => {
  const { page } = await at('/dead-letters?group=fp-ci');
  await page.waitForSelector('.letter-fault', WAIT);
  await page.keyboard.press('Shift+R');
  await page.waitForSelector('[role=dialog] [type=submit]:focus', WAIT);
  assert.equal(mock.control.writes.length, 0);
  await page.keyboard.press('Enter');
  await page.waitForSelector('.run.going', WAIT);
  Object.assign(mock.state.runs[0], { left: 40, replayed: 75, failed: 5 });
  await page.waitForSelector('.run-words >> text=80 of 120 done: 75 read, 5 failed again and wait.', WAIT);
  await page.reload();
  await page.waitForSelector('.run.going [role=progressbar][aria-valuenow="80"]', WAIT);
  Object.assign(mock.state.runs[0], { left: 0, replayed: 110, failed: 10 });
  await page.waitForSelector('.run:not(.going) >> text=Done: 110 read, 10 failed again and wait.', WAIT);
});

story('a group is discarded with a reason, and undo puts all of it back', async () => {
  const { page } = await at('/dead-letters?group=fp-manual');
  await page.waitForSelector('.letter-facts', WAIT);
  await page.keyboard.press('Shift+D');
  await page.waitForSelector('[role=dialog] input:focus', WAIT);
  await page.keyboard.type('a test of the sender');
  await page.keyboard.press('Enter');
  await page.waitForSelector('.toast >> text=Discarded: 12 letters, a test of the sender', WAIT);
  assert.equal(mock.state.letters.filter(({ status }) => status === 'discarded').length, 12);
  await page.keyboard.press('Control+z');
  await until('all wait again', () => mock.state.letters.every(({ status }) => status === 'waiting'));
});

story('the books say what became of every record, unfold by partition, and a gap is loud', async () => {
  const { page } = await at('/connectors');
  await page.waitForSelector('.totals >> text=The sum is exact', WAIT);
  assert.equal(await page.locator('.loud-books').count(), 0);
  await page.keyboard.press('b');
  await page.waitForSelector('.books >> text=500 records read = 88 decoded + 0 seen before + 412 dead-lettered.', WAIT);
  mock.control.missed = 1_024;
  await page.reload();
  await page.waitForSelector('.loud-books[role=alert] >> text=1,024 records were missed: Kafka’s retention removed them before they were read. logs, logs.app / 0: 1,024', WAIT);
  await page.getByRole('button', { name: 'partitions of logs' }).click();
  await page.waitForSelector('.books-missed >> text=1,024', WAIT);
  assert.match(page.url(), /books=1&of=logs/);
});

story('a name is given the service that it means, with the reason, and is taken back', async () => {
  const { page, troubles } = await at('/connectors');
  await page.waitForSelector('.names summary >> text=Names that mean another service: 1', WAIT);
  await page.keyboard.press('a');
  await page.waitForSelector('.names-table >> text=pay-svc', WAIT);
  assert.equal(await page.getByRole('button', { name: 'Take back pay-svc' }).count(), 0, 'one of the settings is removed there');
  for (const [field, words] of [['name', 'svc-a'], ['service', 'checkout'], ['reason', 'renamed in March']]) await page.fill(`.names-form [name=${field}]`, words);
  await page.keyboard.press('Enter');
  await page.waitForSelector('.toast >> text=svc-a means checkout from now on', WAIT);
  const row = page.locator('.names-table tr', { hasText: 'svc-a' });
  await until('who, when and why', async () => /svc-a\s*checkout\s*local\s*.*\d\d:\d\d\s*renamed in March/.test(await row.textContent()));
  await page.getByRole('button', { name: 'Take back svc-a' }).click();
  await until('it is gone', async () => (await row.count()) === 0);
  await page.locator('.top h1').click();
  await page.keyboard.press('Control+z');
  await until('undo sets it again', async () => /checkout/.test(await row.textContent()));
  assert.deepEqual(troubles, []);
});

story('every place is two letters away, and the palette runs what the sheet lists', async () => {
  const { page, troubles } = await at('/investigations');
  for (const [key, title] of [['e', 'Events'], ['c', 'Connectors'], ['d', 'Dead letters'], ['i', 'Investigations']]) {
    await strike(page, 'g', key);
    await page.waitForSelector(`.top h1 >> text=${title}`, WAIT);
  }
  await page.keyboard.press('Control+k');
  await page.waitForSelector('.mantine-Spotlight-action', WAIT);
  await page.keyboard.type('connectors');
  await page.keyboard.press('Enter');
  await page.waitForSelector('.top h1 >> text=Connectors', WAIT);
  assert.deepEqual(troubles, []);
});

story('a page in an unknown place says so and leads back', async () => {
  const { page, close } = await openPage(browser, `${mock.url}/nowhere`);
  await page.waitForSelector('text=There is no page here', WAIT);
  await page.goto(`${mock.url}/investigations/no-such`);
  await page.waitForSelector('text=There is no such investigation', WAIT);
  await close();
});

story('what is not read and what is still learned is said where one looks for incidents', async () => {
  const { page } = await at('/investigations');
  await page.waitForSelector('.standing >> text=/ci is not read since .*14:08.*, .*: 412 of the last 500 records could not be decoded/', WAIT);
  await page.locator('.standing a').first().click();
  await page.waitForSelector('.connector.current >> text=Red because', WAIT);
  const fresh = await serve({ mode: 'empty' });
  const { page: empty, close } = await openPage(browser, `${fresh.url}/investigations`);
  await empty.waitForSelector('.standing >> text=/Still learning.*Nothing opens before 14:21:30 UTC of event time, 10 min from now/', WAIT);
  await close();
  await fresh.close();
});
