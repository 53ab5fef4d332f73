// A stand-in for the server: same paths and shapes, state in memory. `?mode` of `startMock`: incident, empty, failing, large, odd.

import { createReadStream, existsSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as data from './data.mjs';
import { crowdedTimeline, largeList, oddInvestigation } from './odd.mjs';

const DIST = fileURLToPath(new URL('../../dist/', import.meta.url));
const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.woff2': 'font/woff2', '.woff': 'font/woff' };
// Stricter than the server's own: a style element would be seen at once.
const CSP = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** A fresh copy of the sample data; writes change it. */
function world(mode) {
  const clone = (value) => structuredClone(value);
  if (mode === 'empty') return { list: [], investigations: new Map(), notes: [], activity: [], events: [], connectors: [], groups: [], letters: [], runs: [], aliases: [] };
  const list = mode === 'large' ? largeList(2_000) : clone(data.list);
  const main = mode === 'odd' ? oddInvestigation() : clone(data.investigation);
  if (mode === 'large') main.event_count = 10_000;
  if (mode === 'odd') list[0] = { ...list[0], title: main.title, symptom: main.findings.symptom, service_affected: main.service_affected };
  return {
    list, investigations: new Map([[main.id, main]]), notes: clone(data.notes), activity: clone(data.activity), events: clone(data.events), connectors: clone(data.connectors), groups: clone(data.letterGroups), aliases: clone(data.aliases),
    runs: [], letters: data.letterGroups.flatMap(({ connector, count }) => Array.from({ length: Math.min(count, 120) }, (_, i) => data.letter(connector, i))),
  };
}

export async function startMock({ mode = 'incident', port = 0 } = {}) {
  const state = world(mode);
  const streams = new Set();
  const control = { failing: mode === 'failing', refuseStream: false, notesFail: false, writes: [] };
  let lastId = 0;
  const publish = (update) => {
    lastId += 1;
    for (const stream of streams) stream.write(`id: ${lastId}\nevent: ${update.type}\ndata: ${JSON.stringify(update)}\n\n`);
  };

  const server = createServer((request, response) => {
    const url = new URL(request.url, 'http://mock');
    response.setHeader('Content-Security-Policy', CSP);
    if (url.pathname === '/api/v1/stream') return stream(request, response);
    if (!url.pathname.startsWith('/api/')) return file(url.pathname, response);
    let body = '';
    request.on('data', (chunk) => (body += chunk));
    request.on('end', () => {
      const answer = control.failing ? problem(503, 'The store is busy', 'database busy: try again') : route(request.method, url, body ? JSON.parse(body) : {}, request.headers);
      const { status = 200, json, headers = {} } = answer;
      response.writeHead(status, { 'Content-Type': status >= 400 ? 'application/problem+json' : 'application/json', ...headers });
      response.end(json === undefined ? '' : JSON.stringify(json));
    });
  });

  function stream(request, response) {
    if (control.refuseStream || control.failing) return void response.writeHead(503).end();
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    response.write(`event: heartbeat\ndata: ${JSON.stringify({ type: 'heartbeat', watermark: new Date(data.T0).toISOString() })}\n\n`);
    streams.add(response);
    request.on('close', () => streams.delete(response));
  }

  const problem = (status, title, detail = '', errors = []) => ({ status, json: { type: 'about:blank', title, status, detail, errors } });
  const page = (items, url) => {
    const size = Number(url.searchParams.get('per_page') ?? 20);
    const from = Number(url.searchParams.get('cursor') ?? 0);
    const next = from + size < items.length ? String(from + size) : null;
    return { json: items.slice(from, from + size), headers: { 'X-Total-Count': String(Math.min(items.length, 10_000)), 'X-Total-Count-Exact': 'true', ...(next && { 'X-Next-Cursor': next }) } };
  };
  const FIELDS = { severity: 'impact_severity', service: 'service_affected', status: 'status', priority: 'priority', assigned_to: 'assigned_to', environment: 'environment' };
  const matching = (url, skip) => state.list.filter((row) => Object.entries(FIELDS).every(([name, field]) => {
    const wanted = url.searchParams.getAll(name);
    return name === skip || !wanted.length || wanted.includes(String(row[field] ?? ''));
  }) && (!url.searchParams.get('q') || JSON.stringify(row).toLowerCase().includes(url.searchParams.get('q').toLowerCase())));
  const counts = (rows, field) => Object.entries(rows.reduce((sums, row) => (row[field] ? { ...sums, [row[field]]: (sums[row[field]] ?? 0) + 1 } : sums), {})).map(([value, count]) => ({ value, count })).sort((a, b) => b.count - a.count);
  const find = (id) => state.investigations.get(id) ?? (() => {
    const row = state.list.find((one) => one.id === id);
    return row && { ...row, description: '', root_cause: null, remediation: null, lessons_learned: null, component_affected: null, related_investigation_ids: [], event_count: 0, note_count: 0, created_at: row.detected_at, findings: null };
  })();
  const save = (next, who, what, detail) => {
    next.version += 1;
    state.investigations.set(next.id, next);
    const at = state.list.findIndex(({ id }) => id === next.id);
    if (at >= 0) Object.assign(state.list[at], { status: next.status, close_reason: next.close_reason, priority: next.priority, impact_severity: next.impact_severity, assigned_to: next.assigned_to, version: next.version });
    state.activity.push({ id: state.activity.length + 1, investigation_id: next.id, at: new Date(data.T0).toISOString(), who, what, detail });
    publish({ type: 'investigation_changed', id: next.id, revision: next.revision, version: next.version });
    return { json: next, headers: { ETag: `"${next.version}"` } };
  };

  function route(method, url, body, headers) {
    const parts = url.pathname.replace('/api/v1/', '').split('/').map(decodeURIComponent);
    const who = headers['x-whydunit-user'] ?? 'local';
    if (method !== 'GET') control.writes.push({ method, path: url.pathname, body, headers });
    const [kind, id, sub, third] = parts;
    if (kind === 'health') return { json: { ready: true, degraded: mode !== 'empty', reasons: [], watermark: new Date(data.T0).toISOString(), learning_until: mode === 'empty' ? new Date(data.T0 + 600_000).toISOString() : null, stages: [] } };
    if (kind === 'connectors') return connectors(method, id, sub);
    if (kind === 'dead-letters') return letters(method, id, sub, url, body, who);
    if (kind === 'aliases') return aliases(method, id, body, who);
    if (kind === 'ledger') return { json: mode === 'empty' ? { closes: true, sums: data.ledger().sums, connectors: [] } : data.ledger(control.missed ?? 0) };
    if (kind === 'notifications') return id === 'channels' ? { json: mode === 'empty' ? [] : data.channels } : page((mode === 'empty' ? [] : data.notifications).filter(({ investigation_id: of }) => [null, of].includes(url.searchParams.get('investigation_id'))), url);
    if (kind === 'events') return events(id, url);
    if (kind !== 'investigations') return problem(404, 'Not found', `no path ${url.pathname}`);
    if (!id) {
      if (method === 'POST') {
        const made = { ...find(state.list[0].id), id: 'new-1', title: body.title, findings: null, status: 'open', version: 1, revision: 0 };
        state.investigations.set(made.id, made);
        return { status: 201, json: made };
      }
      return page(matching(url), url);
    }
    if (id === 'facets') return { json: Object.entries(FIELDS).map(([field, key]) => ({ field, values: counts(matching(url, field), key) })) };
    if (id === 'close') {
      for (const one of body.ids) save({ ...find(one), status: 'closed', close_reason: body.reason }, who, 'status', body.reason);
      return { json: { ids: body.ids } };
    }
    const found = find(id);
    if (!found) return problem(404, 'Not found', `no investigation with id ${id}`);
    if (!sub) {
      if (method === 'GET') return { json: found, headers: { ETag: `"${found.version}"` } };
      const wanted = headers['if-match'];
      if (!wanted) return problem(428, 'If-Match is required');
      if (wanted !== '*' && wanted !== `"${found.version}"`) return problem(412, 'Stale', `changed since version ${wanted}: now ${found.version}`);
      return save({ ...found, ...body, assigned_to: body.assigned_to === undefined ? found.assigned_to : body.assigned_to || null }, who, 'edited', Object.keys(body).join(', '));
    }
    if (sub === 'close') return save({ ...found, status: 'closed', close_reason: body.reason }, who, 'status', body.reason);
    if (sub === 'reopen') return save({ ...found, status: 'open', close_reason: null }, who, 'reopened', body.reason);
    if (sub === 'resolve') return save({ ...found, status: 'resolved', root_cause: body.root_cause }, who, 'status', 'resolved');
    if (sub === 'timeline' && mode === 'large') return { json: crowdedTimeline(data.timeline(url.searchParams.get('from'), url.searchParams.get('to'), Number(url.searchParams.get('step_s')))) };
    if (sub === 'timeline') return { json: mode === 'odd' ? { ...data.timeline(url.searchParams.get('from'), url.searchParams.get('to'), 15), onset: null } : data.timeline(url.searchParams.get('from'), url.searchParams.get('to'), Number(url.searchParams.get('step_s'))) };
    if (sub === 'suspects') {
      const one = found.findings.suspects.find((other) => other.id === third);
      Object.assign(one, { verdict: body.verdict, verdict_by: who, verdict_comment: body.comment ?? null });
      return save(found, who, 'verdict', `${third} ${body.verdict}`);
    }
    if (sub === 'events') return page(state.events.filter((one) => one.investigation_ids.includes(id)), url);
    if (sub === 'explain') return explained(id, url.searchParams.get('event'));
    if (sub === 'activity') return { json: state.activity.filter((one) => one.investigation_id === id) };
    if (sub === 'notes') return notes(method, id, third, body, who);
    return problem(404, 'Not found', `no path ${url.pathname}`);
  }

  function explained(id, eventId) {
    const event = state.events.find((one) => one.id === eventId);
    if (!event) return problem(404, 'Not found', `no event with id ${eventId}`);
    const belongs = event.investigation_ids.includes(id);
    const because = belongs ? 'Linked by whydunit: slow call of payment, which belongs.' : 'search is no neighbour of a service that belongs on the graph shown here, so it may be another fault.';
    const checks = [{ about: 'environment', holds: true, sentence: 'It is of production, as the investigation is.' }, { about: 'service', holds: belongs, sentence: belongs ? 'payment belongs: it shows evidence of this fault.' : because }];
    const link = belongs ? { event_id: eventId, confidence: 0.7, reason: 'slow call of payment, which belongs', linked_by: 'whydunit', linked_at: event.timestamp } : null;
    return { json: { investigation_id: id, event_id: eventId, belongs, because, link, checks, elsewhere: [] } };
  }

  function notes(method, id, note, body, who) {
    if (control.notesFail && method !== 'GET') return problem(503, 'The store is busy', 'database busy');
    const mine = state.notes.filter((one) => one.investigation_id === id);
    if (method === 'GET') return { json: mine };
    if (method === 'DELETE') {
      state.notes = state.notes.filter((one) => one.id !== note);
      return { status: 204 };
    }
    const time = new Date(data.T0).toISOString();
    const made = { id: `note-${state.notes.length}`, investigation_id: id, author: who, body: body.body, event_id: body.event_id ?? null, at: body.at ?? null, parent_id: null, created_at: time, updated_at: time, version: 1 };
    state.notes.push(made);
    publish({ type: 'notes_changed', investigation_id: id });
    return { status: 201, json: made };
  }

  function connectors(method, name, verb) {
    // The countdown of the breaker runs in wall time.
    for (const one of state.connectors) if (one.breaker.retry_in_s) one.breaker.retry_at = new Date(Date.now() + one.breaker.retry_in_s * 1000).toISOString();
    if (!name) return { json: state.connectors };
    const found = state.connectors.find((one) => one.name === name);
    if (!found) return problem(404, 'Not found', `no connector with id ${name}`);
    if (method === 'POST') {
      found.state = verb === 'pause' ? 'paused' : verb === 'reset' ? 'half_open' : 'running';
      publish({ type: 'connectors_changed' });
    }
    return { json: found };
  }

  function aliases(method, name, body, who) {
    if (!name) return { json: state.aliases };
    const found = state.aliases.find((one) => one.name === name && one.origin === 'person');
    if (method === 'DELETE' && !found) return problem(404, 'Not found', `no alias with id ${name}`);
    state.aliases = state.aliases.filter((one) => one !== found);
    if (method === 'DELETE') return { status: 204 };
    const made = { name, service: body.service, origin: 'person', set_by: who, reason: body.reason, set_at: new Date(data.T0).toISOString(), in_force: true };
    state.aliases = [...state.aliases, made].sort((a, b) => a.name.localeCompare(b.name));
    return { json: made };
  }

  function letters(method, id, sub, url, body, who) {
    const group = (fingerprint) => state.groups.find((one) => one.fingerprint === fingerprint);
    const move = (chosen, status, more = {}) => {
      for (const one of chosen) {
        const of = group(one.fingerprint);
        if (one.status in of) of[one.status] -= 1;
        if (status in of) of[status] += 1;
        Object.assign(one, more, { status });
      }
      publish({ type: status === 'discarded' ? 'dead_letters_stored' : 'letters_replayed', count: chosen.length });
      return { status: 202, json: { count: chosen.length } };
    };
    const many = (status) => state.letters.filter((one) => one.status === status && (body.fingerprint ? one.fingerprint === body.fingerprint : !body.connector || one.connector === body.connector));
    const run = (chosen, more) => {
      const at = new Date().toISOString();
      state.runs.unshift({ id: state.runs.length + 1, at, who, letter_id: null, fingerprint: null, connector: null, edited: false, letters: chosen.length, left: chosen.length, replayed: 0, failed: 0, ...more });
      return move(chosen, 'replaying');
    };
    if (id === 'groups') return { json: state.groups };
    if (id === 'replays') return { json: state.runs };
    if (id === 'replay') return run(many('waiting'), { fingerprint: body.fingerprint ?? null, connector: body.connector ?? null });
    if (id === 'discard') return move(many('waiting'), 'discarded', { discard_reason: body.reason });
    if (id === 'restore') return move(many('discarded'), 'waiting', { discard_reason: null });
    if (!id) return page(state.letters.filter((one) => ['fingerprint', 'status'].every((name) => !url.searchParams.get(name) || url.searchParams.get(name) === one[name])).map((one) => (one.value_bytes > 1_024 ? { ...one, value_base64: null, value_text: null } : one)), url);
    const found = state.letters.find((one) => one.id === id);
    if (!found) return problem(404, 'Not found', `no dead letter with id ${id}`);
    if (sub === 'dry-run') {
      const mended = /"finished_at":"/.test(body.value_text ?? '');
      if (control.dryRunFails) return problem(503, 'The store is busy', 'database busy');
      return { json: mended ? { format: 'ci_json', items: 1, preview: [{ kind: 'event', event: { event_type: 'build_finished', title: 'Build 5524 of payment', service: 'payment', timestamp: '2026-11-23T14:08:00Z' } }], error_class: null, error_message: null } : { format: found.format, items: 0, preview: [], error_class: found.error_class, error_message: found.error_message } };
    }
    if (sub === 'replay') return found.status === 'waiting' ? run([found], { letter_id: id, edited: Boolean(body.value_text ?? body.value_base64) }) : problem(409, 'Conflict', `this dead letter is ${found.status}, not waiting`);
    if (sub === 'restore') return move([found], 'waiting', { discard_reason: null });
    if (method === 'DELETE') {
      if (!body.reason) return problem(422, 'Invalid', '', [{ field: 'reason', reason: 'is required' }]);
      move([found], 'discarded', { discard_reason: body.reason });
      return { status: 204 };
    }
    return { json: found };
  }

  function events(id, url) {
    const wanted = (name, value) => !url.searchParams.getAll(name).length || url.searchParams.getAll(name).includes(value ?? '');
    const found = state.events.filter((one) => wanted('source', one.source) && wanted('severity', one.severity) && wanted('service', one.service) && wanted('event_type', one.event_type) && (!url.searchParams.get('q') || one.title.toLowerCase().includes(url.searchParams.get('q').toLowerCase())));
    if (id === 'facets') return { json: ['source', 'severity', 'event_type', 'service'].map((field) => ({ field, values: counts(found, field) })) };
    if (!id || id === 'search') return page([...found].sort((a, b) => b.timestamp.localeCompare(a.timestamp)), url);
    const one = state.events.find((other) => other.id === id);
    return one ? { json: one } : problem(404, 'Not found', `no event with id ${id}`);
  }

  await new Promise((done) => server.listen(port, '127.0.0.1', done));
  return {
    url: `http://127.0.0.1:${server.address().port}`, state, control, publish,
    dropStreams: () => streams.forEach((one) => one.destroy()),
    close: () => new Promise((done) => {
      streams.forEach((one) => one.destroy());
      server.close(done);
      server.closeAllConnections();
    }),
  };
}

function file(path, response) {
  const inside = normalize(path).replace(/^(\.\.[/\\])+/, '');
  let full = join(DIST, inside);
  if (!existsSync(full) || !statSync(full).isFile()) full = join(DIST, 'index.html');
  response.writeHead(200, { 'Content-Type': TYPES[extname(full)] ?? 'application/octet-stream' });
  createReadStream(full).pipe(response);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const mock = await startMock({ mode: process.env.MODE ?? 'incident', port: Number(process.env.PORT ?? 4173) });
  console.log(mock.url);
}
