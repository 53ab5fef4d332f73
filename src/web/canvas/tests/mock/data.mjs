// One incident and what surrounds it, made by code: the same numbers on every screen. Sample data only.

export const T0 = Date.parse('2026-11-23T14:11:30Z');
const day = '2026-11-23T';
export const at = (clock) => new Date(day + clock + 'Z').toISOString();
const plus = (time, s) => new Date(Date.parse(time) + s * 1000).toISOString();

/** Small seeded noise (mulberry32), so that two runs draw the same picture. */
export function noise(seed) {
  let a = seed | 0;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export const ID = '8a4f0c1e-2b7d-8e63-9c40-5d21b6f07c3e';
export const ONSET = at('14:02:10');
export const DEPLOY = at('13:59:04');

const evidence = (sentence, event_ids = [], surprise = null) => ({ sentence, event_ids, surprise });
const factors = (...values) => ['Time', 'Scope', 'Diff', 'Words'].map((name, i) => ({ name, value: values[i] }));
const suspect = (more) => ({
  rank: 1, kind: 'change', service: null, event_id: null, at: null, author: null, factors: [], sentence: '', evidence: [], counter_evidence: [],
  diff_hint: null, verdict: 'suspect', verdict_comment: null, verdict_by: null, ...more,
});

export const suspects = [
  suspect({
    id: 'service:payment', rank: 1, kind: 'service', entity: 'payment', service: 'payment', score: 0.91,
    factors: [{ name: 'Evidence', value: 0.97 }, { name: 'Own share', value: 0.98 }, { name: 'First', value: 0.95 }],
    sentence: 'payment owns 15,079 of 15,319 extra failures.',
    evidence: [evidence('payment owns 15,079 of 15,319 extra failures; what it calls explains 240.', ['ev-pool'], 61), evidence('It turned first, 4 s before checkout.', ['ev-burst-payment'], 44)],
    counter_evidence: [evidence('Its CPU is level (31 %).')],
  }),
  suspect({ id: 'service:checkout', rank: 2, kind: 'service', entity: 'checkout', service: 'checkout', score: 0.06, factors: [{ name: 'Evidence', value: 0.9 }, { name: 'Own share', value: 0.01 }, { name: 'First', value: 0.6 }], sentence: 'checkout owns 129.', evidence: [evidence('checkout owns 129 of 15,448 failures.', ['ev-checkout'])], counter_evidence: [evidence('payment explains the rest.')] }),
  suspect({
    id: 'change:ev-deploy', rank: 1, entity: 'Deploy 8f2c1e of payment', service: 'payment', event_id: 'ev-deploy', at: DEPLOY, author: 'K. Ito', score: 0.87,
    factors: factors(0.96, 1, 0.95, 0.92), sentence: '6 pods on 8f2c1e fail 18.6 % of calls.',
    evidence: [
      evidence('6 pods on 8f2c1e fail 18.6 % of calls, the 2 still on 77a90d 0.2 %, in the same minutes.', ['ev-pool'], 61),
      evidence('New line “pool exhausted (max 8)” stands in 15,203 of 15,541 failures and names the changed number.', ['ev-pool'], 44),
    ],
    counter_evidence: [evidence('Failures began 3 min 6 s after it, not with it; payment’s CPU is level (31 %).')],
    diff_hint: 'pool.max_connections: 40 → 8',
  }),
  suspect({ id: 'change:ev-deploy-checkout', rank: 2, entity: 'Deploy 41b7d0 of checkout', service: 'checkout', event_id: 'ev-deploy-checkout', at: at('13:48:20'), author: 'M. Silva', score: 0.17, factors: factors(0.85, 1, 0.35, 0.3), sentence: 'Retries 2 → 3.', evidence: [evidence('Retries 2 → 3 add load to payment.')], counter_evidence: [evidence('13 min 50 s of normal traffic after it; checkout owns 129 of 15,448.')] }),
  suspect({ id: 'external:acquirer', rank: 3, kind: 'external', entity: 'acquirer, outside', score: 0.08, sentence: '240 failures name it.', evidence: [evidence('240 failures name it.')], counter_evidence: [evidence('Its latency is level: 212 ms at the median, 208 before.')] }),
  suspect({ id: 'none', rank: 1, kind: 'none', entity: 'Nothing we can see', score: 0.05, sentence: 'No change explains it.' }),
];

const series = (seed, from, to, low, high, s = 20) => {
  const random = noise(seed);
  const points = [];
  for (let t = Date.parse(at('13:45:00')); t <= T0; t += s * 1000) {
    const k = Math.max(0, Math.min(1, (t - Date.parse(from)) / (to * 1000)));
    const value = low + (high - low) * k + (random() - 0.5) * (high - low) * (k > 0 ? 0.06 : 0.05);
    points.push({ at: new Date(t).toISOString(), value: Math.max(0, Number(value.toFixed(4))) });
  }
  return points;
};
const facts = (value_before, value_now, more = {}) => ({ hits_before: 0, cases_before: 0, hits_now: 0, cases_now: 0, value_before, value_now, threshold: null, excess: null, z: null, ...more });
const signal = (service, family, detector, key, surprise, sentence, event_id, points, unit, f) => ({ service: { environment: 'prod', service }, family, detector, key, surprise, window_s: 30, onset: ONSET, facts: f, sentence, event_id, host: null, series: points, unit });

export const signals = [
  signal('payment', 'failures', 'failures', 'failed calls', 61, '0.2 → 18.6 % of calls fail.', 'ev-burst-payment', series(40, ONSET, 55, 0.2, 18.6), '%', facts(0.2, 18.6)),
  signal('payment', 'metric', 'metric', 'Pool in use', 44, '5.1 → 8.0 of 8, flat.', 'ev-pool-metric', series(41, ONSET, 55, 5.1, 8), 'connections', facts(5.1, 8, { z: 14.2 })),
  signal('payment', 'latency', 'self_time', 'Wait for a connection, p95', 39, '2 ms → 3.0 s.', 'ev-wait', series(42, ONSET, 50, 0.002, 3), 's', facts(0.002, 3)),
  signal('payment', 'log_shape', 'new_error', 'pool exhausted: no connection within <*> ms (max <*>)', 36, 'A new error line, 15,203 times.', 'ev-pool', [], 'lines', facts(0, 15203)),
  signal('checkout', 'throughput', 'metric', 'Requests a second', 3, '171 → 198, usual for 14:00.', 'ev-rps', series(43, at('13:56:00'), 500, 171, 198), '1/s', facts(171, 198)),
];

const node = (service, hot, score, delay_s, label, own_excess = 0) => ({ service, score, surprise: hot ? 61 * score : 0, own_excess, own_excess_unit: 'failures', delay_s, hot, label });
const edge = (caller, callee, calls, failed, hot = false) => ({ caller, callee, calls, failed, mean_ms: 41.2, hot, label: failed ? `${((100 * failed) / calls).toFixed(1)} % fail` : '', weak: false });
export const graph = {
  nodes: [node('gateway', true, 0.2, 5, 'own 32', 32), node('checkout', true, 0.3, 4, 'own 129', 129), node('cart', false, 0, null, 'level'), node('payment', true, 0.91, 0, 'own 15,079', 15079), node('inventory', false, 0, null, 'level'), node('payment-db', false, 0, null, 'level'), node('fraud', false, 0, null, 'level'), node('acquirer', false, 0.08, null, 'own 240', 240)],
  edges: [edge('gateway', 'checkout', 111_000, 15_429, true), edge('checkout', 'payment', 109_000, 15_260, true), edge('checkout', 'cart', 98_000, 0), edge('checkout', 'inventory', 97_000, 0), edge('payment', 'payment-db', 240_000, 0), edge('payment', 'fraud', 108_000, 0), edge('payment', 'acquirer', 107_000, 214)],
};

export const investigation = {
  id: ID, title: 'checkout is failing for 14 % of requests since 14:02, 3 min after deploy 8f2c1e of payment by K. Ito', description: '', status: 'in_progress', close_reason: null,
  impact_severity: 'critical', priority: 'p0', detected_at: at('14:03:00'), started_at: ONSET, recovered_at: null, resolved_at: null, closed_at: null, root_cause: null, remediation: null, lessons_learned: null,
  component_affected: null, service_affected: 'checkout', environment: 'prod', tags: ['payments'], related_investigation_ids: [], event_count: 14, note_count: 3, confidence: 0.91, created_by: 'whydunit', assigned_to: 'K. Ito',
  created_at: at('14:03:00'), updated_at: at('14:11:26'), version: 4, revision: 31,
  findings: {
    id: ID, revision: 31, environment: 'prod', symptom: 'checkout is failing for 14 % of requests', headline: 'checkout is failing for 14 % of requests since 14:02, 3 min after deploy 8f2c1e of payment by K. Ito',
    where_sentence: 'payment owns 15,079 of 15,319 extra failures; what it calls explains 240.', impact_severity: 'critical', service_affected: 'checkout', hot_services: ['payment', 'checkout', 'gateway'], services_total: 8,
    detected_at: at('14:03:00'), started_at: ONSET, recovered_at: null, updated_at: at('14:11:30'), confidence: 0.91, opened_because: 'log shape and failures held at two closes', opened_families: ['log_shape', 'failures'], suspects, signals, graph, learning: [],
  },
};

const event = (id, time, source, event_type, severity, title, service, more = {}) => ({
  id, timestamp: time, observed_at: plus(time, 1), source, event_type, severity, title, service, environment: 'prod', host: null, fingerprint: id, count: 1, first_seen: time, last_seen: time, trace_id: null, span_id: null,
  correlation_id: null, request_id: null, source_id: null, tags: [], data: null, metadata: null, provenance: { connector: source, cluster: 'shop', topic: `${source}.app`, incarnation: 0, partition: 7, offset: 88_204_511, format: 'json' }, investigation_ids: [ID], ...more,
});
export const events = [
  event('ev-pool', at('14:02:10.214'), 'logs', 'new_error_pattern', 'critical', 'pool exhausted: no connection within 3000 ms (max 8)', 'payment', {
    count: 15_203, last_seen: at('14:11:29.870'), trace_id: '4be1f0a2c35d9e6b7a8c1d2e3f4090c7',
    data: { exemplars: [{ ts: '2026-11-23T14:02:10.214Z', level: 'ERROR', svc: 'payment', pod: 'payment-6d9f-x2k', ver: '8f2c1e', msg: 'pool exhausted: no connection within 3000 ms (max 8)' }], pods: 6, pods_total: 8 },
  }),
  event('ev-burst-payment', at('14:02:15'), 'logs', 'error_burst', 'critical', 'payment: failed calls 0.2 → 18.6 %', 'payment', { count: 15_079 }),
  event('ev-checkout', at('14:02:25'), 'traces', 'span_error', 'critical', 'POST /checkout fails in payment.charge', 'checkout', { count: 14_988, trace_id: '4be1f0a2c35d9e6b7a8c1d2e3f4090c7' }),
  event('ev-pool-metric', at('14:02:10'), 'metrics', 'metric_anomaly', 'high', 'Pool in use 5.1 → 8.0 of 8', 'payment'),
  event('ev-wait', at('14:02:55'), 'metrics', 'metric_anomaly', 'high', 'Wait for a connection, p95 2 ms → 3.0 s', 'payment'),
  event('ev-rps', at('14:05:00'), 'metrics', 'metric_anomaly', 'info', 'Requests a second 171 → 198', 'checkout'),
  event('ev-deploy', DEPLOY, 'ci', 'deployment', 'info', 'Deploy 8f2c1e of payment', 'payment', { source_id: 'deploy/5521/completed', data: { author: 'K. Ito', commit: '8f2c1e', diff: ['pool.max_connections: 40 → 8'] } }),
  event('ev-deploy-checkout', at('13:48:20'), 'ci', 'deployment', 'info', 'Deploy 41b7d0 of checkout', 'checkout'),
  event('ev-flag', at('14:06:30'), 'manual', 'feature_flag', 'info', 'wallet-v2 on', 'checkout'),
  event('ev-rollback', at('14:09:41'), 'ci', 'rollback', 'info', 'Rollback of payment to 77a90d', 'payment'),
  ...['13:46:05', '13:47:20', '13:52:38', '13:57:50', '14:04:50', '14:08:55'].map((clock, i) => event(`ev-git-${i}`, at(clock), 'git', i === 2 ? 'pull_request_merged' : 'commit', 'info', i === 2 ? 'merge #2214' : `commit ${(0xa41b7d + i * 7919).toString(16)}`, i % 2 ? 'payment' : 'checkout', { investigation_ids: i === 2 ? [ID] : [] })),
  event('ev-alert', at('14:04:00'), 'manual', 'alert', 'high', 'alert: checkout budget burns 14.4×', 'checkout'),
];
export const builds = [['13:46:20', '13:48:05', 'build_succeeded'], ['13:52:50', '13:57:40', 'build_succeeded'], ['13:58:05', '14:01:10', 'build_succeeded'], ['14:05:00', '14:06:20', 'build_failed']].map(([from, to, type], i) => event(`ev-build-${i}`, at(from), 'ci', type, type === 'build_failed' ? 'medium' : 'info', `build ${5519 + i} of ${i === 0 ? 'checkout' : 'payment'}`, i === 0 ? 'checkout' : 'payment', { last_seen: at(to), data: { until: at(to) } }));
events.push(...builds);

export const notes = [['14:03:48', 'M. Silva', 'Orders queue is filling, not lost. Paged payment.'], ['14:07:12', 'K. Ito', 'I read the limit as per node. It is **per pod**. `#8f2c1e`'], ['14:09:30', 'K. Ito', 'Rolling back to `#77a90d`.']].map(([clock, author, body], i) => ({ id: `note-${i}`, investigation_id: ID, author, body, event_id: null, at: at(clock), parent_id: null, created_at: at(clock), updated_at: at(clock), version: 1 }));
export const activity = [['14:03:00', 'whydunit', 'opened', 'log shape and failures held at two closes'], ['14:03:30', 'M. Silva', 'assigned', 'to K. Ito'], ['14:04:10', 'K. Ito', 'status', 'open → in_progress']].map(([clock, who, what, detail], i) => ({ id: i + 1, investigation_id: ID, at: at(clock), who, what, detail }));

const RATES = { metrics: 36_000, logs: 78_000, traces: 56_000 };

export function timeline(from, to, step_s) {
  const start = Math.floor(Date.parse(from) / 1000 / step_s) * step_s;
  const end = Math.min(Date.parse(to), T0) / 1000;
  const on = Date.parse(ONSET) / 1000;
  const mark = (one, more = {}) => ({ event_id: one.id, at: one.timestamp, until: null, seen_at: one.observed_at, severity: one.severity, source: one.source, event_type: one.event_type, title: one.title, service: one.service, linked: one.investigation_ids.length > 0, ...more });
  const within = (list) => list.filter(({ at: time }) => time >= new Date(from).toISOString() && time < new Date(to).toISOString());
  const bars = (lane) => {
    const out = [];
    for (let t = start; t < end; t += step_s) {
      const random = noise(t + RATES[lane]);
      const items = Math.round((RATES[lane] / 60) * step_s * (0.8 + 0.3 * random()) * (lane === 'logs' && t > on ? 1.6 : 1));
      const share = t < on - 10 ? (random() > 0.95 ? 0.001 : 0) : lane === 'logs' ? Math.min(0.5, 0.08 + (t - on) / 600) : 0.06 + 0.02 * random();
      out.push({ at: new Date(t * 1000).toISOString(), items, failing: Math.round(items * share) });
    }
    return out;
  };
  const ofSource = (source) => events.filter((one) => one.source === source);
  const isChange = ({ event_type: type }) => ['deployment', 'feature_flag', 'rollback'].includes(type);
  const lane = (name, marks, laneBars = []) => ({ lane: name, total: laneBars.reduce((sum, bar) => sum + bar.items, 0) || marks.length, bars: laneBars, marks: within(marks), marks_cut: false });
  const people = [...activity.map(({ at: time, who, what, detail }) => ({ at: time, who, title: `${who} ${what} ${detail}`, type: what })), ...notes.map((note) => ({ at: note.at, title: `${note.author}: ${note.body}`, type: 'note' }))];
  return {
    from, to, step_s, onset: ONSET, detected_at: at('14:03:00'),
    lanes: [
      lane('changes', events.filter(isChange).map((one) => mark(one))),
      lane('git', ofSource('git').map((one) => mark(one))),
      lane('ci', builds.map((one) => mark(one, { until: one.last_seen }))),
      ...['metrics', 'logs', 'traces'].map((name) => lane(name, ofSource(name).filter(({ severity }) => severity !== 'info').map((one) => mark(one)), bars(name))),
      lane('manual', [mark(events.find(({ id }) => id === 'ev-alert'))]),
      lane('people', people.map(({ at: time, title, type }) => ({ event_id: null, at: time, until: null, seen_at: time, severity: 'info', source: null, event_type: type, title, service: null, linked: true }))),
    ],
  };
}

const summary = (n, symptom, severity, priority, service, suspectParts, status, who, since, lasted, shape, more = {}) => {
  const random = noise(n + 5);
  const started = since.includes('T') ? since : at(since);
  return {
    id: `8a4f0c1e-2b7d-8e63-9c40-5d21b6f0${(0x7c3e - n * 19).toString(16)}`, title: symptom, symptom, status, close_reason: null, impact_severity: severity, priority, service_affected: service, environment: 'prod', hot_services: n === 0 ? 3 : 1 + (n % 2), services_total: 8,
    first_suspect: suspectParts && { kind: suspectParts[0], entity: suspectParts[1], detail: suspectParts[2], score: suspectParts[3] }, confidence: suspectParts?.[3] ?? 0, assigned_to: who, tags: [], detected_at: plus(started, 50), started_at: started,
    recovered_at: lasted && status === 'open' ? plus(started, lasted * 60) : null, resolved_at: status === 'resolved' ? plus(started, lasted * 60) : null, closed_at: null, updated_at: at('14:11:30'), created_by: 'whydunit', version: 1, revision: 3,
    spark: Array.from({ length: 60 }, (_, i) => Math.round(1000 * Math.max(0.02, Math.min(1, shape(i) + (random() - 0.5) * 0.1)))), ...more,
  };
};
const spike = (i) => (i < 50 ? 0.04 : 0.85);
const blip = (from, to) => (i) => (i > from && i < to ? 0.85 : 0.05);
export const list = [
  summary(0, 'checkout is failing for 14 % of requests', 'critical', 'p0', 'checkout', ['change', 'Deploy 8f2c1e of payment', 'K. Ito, 3 min before onset', 0.87], 'in_progress', 'K. Ito', '14:02:10', 0, spike, { id: ID, version: 4, revision: 31 }),
  summary(1, 'search answers 2.4 s late at the 95th percentile', 'high', 'p1', 'search', ['host', 'index-7, disk full at 97 %', 'host, no change found', 0.71], 'in_progress', 'A. Novak', '13:26:00', 0, (i) => (i < 30 ? 0.15 : 0.15 + ((i - 30) / 30) * 0.65)),
  summary(2, 'mail sends 31 % fewer messages, orders are level', 'medium', 'p2', 'mail', ['external', 'smtp relay, outside', 'refused 1,204 connections', 0.64], 'open', null, '12:58:00', 0, (i) => (i < 24 ? 0.2 : 0.6)),
  summary(3, 'inventory repeats 1 of 6 stock writes', 'medium', 'p2', 'inventory', ['change', 'Commit d09a44 of inventory', 'R. Berg, 22 min before onset', 0.58], 'open', null, '12:31:00', 0, (i) => (i < 18 ? 0.08 : 0.2 + ((i % 9) / 9) * 0.6)),
  summary(4, 'report builds take 4 min longer since the night', 'low', 'p3', 'reports', ['change', 'base image 3.19', 'best of 5', 0.34], 'open', null, '06:12:00', 0, () => 0.55),
  summary(5, 'node-14 restarts cart every 40 min', 'low', 'p3', 'cart', ['host', 'node-14, memory', 'host, 3 of 3 restarts', 0.62], 'open', 'T. Wood', '04:50:00', 0, (i) => (i % 20 < 3 ? 0.85 : 0.1)),
  summary(6, 'login failed for 6 % of requests for 4 min', 'high', 'p1', 'login', ['external', 'identity provider, outside', 'status feed names it', 0.83], 'open', 'M. Silva', '09:44:00', 4, blip(20, 25)),
  summary(7, 'gateway was slow in zone b for 11 min', 'medium', 'p2', 'gateway', ['service', 'zone b, network', '5 of 5 hosts there', 0.76], 'open', 'A. Novak', '08:20:00', 11, blip(30, 40)),
  summary(8, 'catalog served 2 % stale prices for 6 min', 'low', 'p3', 'catalog', ['change', 'Flag price-cache on', 'T. Wood, 1 min before onset', 0.91], 'open', 'T. Wood', '07:03:00', 6, blip(20, 25)),
  summary(9, 'payment lost 100 % of calls for 7 min', 'critical', 'p0', 'payment', ['change', 'Deploy c3310b of payment', 'confirmed by K. Ito', 0.94], 'resolved', 'K. Ito', '2026-11-19T22:17:00.000Z', 7, blip(30, 37)),
  summary(10, 'cart dropped 3 % of items for 19 min', 'medium', 'p2', 'cart', ['change', 'Deploy 5be02a of cart', 'confirmed by T. Wood', 0.88], 'resolved', 'T. Wood', '2026-11-19T15:40:00.000Z', 19, blip(30, 40)),
];

const history = (seed, level, shape = () => 1) => {
  const random = noise(seed);
  return Array.from({ length: 12 }, (_, i) => Math.max(0, Number((level * shape(i) * (0.95 + random() * 0.1)).toFixed(1))));
};
const connector = (source, topic, state, because, lag, rates, mix, more = {}) => ({
  name: source, source, state, brokers: 'kafka-1:9092,kafka-2:9092', topics: [topic], group: `whydunit-7d1a-${source}`, format: 'auto', breaker: { state: 'closed', failures: 0, opened_at: null, retry_at: null, history: [] }, stage: { name: `connector/${source}`, alive: true, restarts: 0, last_reason: null, since: at('09:00:00') }, assigned_partitions: 12,
  lag_records: lag[0], lag_seconds: lag[1], rate_in: rates[0], rate_stored: rates[1], rate_rejected: rates[2], rate_history: history(rates[0] + 3, rates[0]), records_total: Math.round(rates[0] * 69_000), items_total: Math.round(rates[0] * 70_400), rejected_total: Math.round(rates[2] * 300), bytes_total: Math.round(rates[0] * 69_000 * 412),
  decode_mix: mix.map(([format, share]) => ({ format, records: rates[0] ? Math.round(rates[0] * 690 * share) : share })), last_record_at: at('14:11:30'), last_event_at: at('14:11:29'), last_error: null, last_error_at: null, clock_skew: [], wrong_unit_total: 0, restarts: 0, because, since: at('08:00:00'), ...more,
});
export const connectors = [
  connector('ci', 'ci.builds', 'open', '412 of the last 500 records could not be decoded: finished_at holds a number where a time is expected, since the build server was upgraded at 13:20. After 5 full batches failed the breaker opened at 14:08:12; nothing is lost, reading goes on where it stopped.', [118, 198], [0, 0, 0], [['ci_json', 88]], { breaker: { state: 'open', failures: 5, opened_at: at('14:08:12'), retry_at: null, retry_in_s: 42, history: [{ at: at('14:08:12'), from: 'closed', to: 'open', why: '5 failures in a row, the last: connection refused', by: null }] }, rejected_total: 412, last_error: 'finished_at: expected a time, found 1795442880', last_error_at: at('14:08:12'), last_record_at: at('14:08:12'), last_event_at: at('14:08:12'), since: at('14:08:12') }),
  connector('logs', 'logs.app', 'running', 'Behind because the failing service writes 4.1 times its usual lines; caught up in about 36 s.', [68_412, 6], [11_402, 212, 2.1], [['json', 91], ['logfmt', 6], ['plain', 3]], { rejected_total: 618, last_error: 'invalid UTF-8 at byte 2,117', last_error_at: at('14:02:00'), rate_history: history(4, 11_402, (i) => (i < 6 ? 0.3 : 1)) }),
  connector('traces', 'traces.otlp', 'running', '', [1548, 0.4], [3870, 61, 0], [['otlp_protobuf', 100]], { rejected_total: 203, last_error: 'message cut at 4,096 of 5,310 bytes', last_error_at: at('13:58:00') }),
  connector('metrics', 'metrics.otlp', 'running', '', [509, 0.2], [2544, 9, 0], [['otlp_protobuf', 88], ['otlp_json', 12]], { rejected_total: 71, last_error: 'time before 2000 (1970-01-01)', last_error_at: at('11:47:00') }),
  connector('git', 'git.events', 'running', '', [0, 0], [0.002, 0.002, 0], [['webhook', 100]], { last_record_at: at('14:08:55') }),
  connector('manual', 'events.manual', 'running', '', [0, 0], [0, 0, 0], [['json', 100]], { rejected_total: 12, last_error: 'severity “urgent” is not known', last_error_at: at('12:20:00'), last_record_at: at('14:04:00') }),
];

const group = (connectorName, error_message, error_class, format, count, from, to, bytes) => ({ fingerprint: `fp-${connectorName}`, connector: connectorName, error_class, format, error_message, count, waiting: count, replaying: 0, replayed: 0, bytes, first_failed_at: at(from), last_failed_at: at(to), newest_id: `dl-${connectorName}-0` });
export const letterGroups = [
  group('ci', 'finished_at: expected a time, found a number', 'invalid_field', 'ci_json', 412, '13:20:41', '14:08:12', 200_232),
  group('logs', 'invalid UTF-8 at byte 2,117', 'malformed', 'plain', 618, '00:14:00', '14:02:00', 1_308_102),
  group('traces', 'message cut at 4,096 of 5,310 bytes', 'malformed', 'otlp_protobuf', 203, '09:31:00', '13:58:00', 831_488),
  group('metrics', 'time before 2000 (1970-01-01)', 'invalid_field', 'otlp_protobuf', 71, '03:02:00', '11:47:00', 29_252),
  group('manual', 'severity “urgent” is not one of critical, high, medium, low, info', 'invalid_field', 'json', 12, '08:15:00', '12:20:00', 3_108),
];
const TOPICS = { ci: 'ci.builds', logs: 'logs.app', traces: 'traces.otlp', metrics: 'metrics.otlp', manual: 'events.manual' };
export function letter(connectorName, index, status = 'waiting') {
  const of = letterGroups.find(({ connector: name }) => name === connectorName);
  const text = connectorName === 'ci' ? JSON.stringify({ build: 5524 - index, pipeline: 'payment-deploy', commit: '77a90d', status: 'success', started_at: '2026-11-23T14:07:10Z', finished_at: 1795442880, steps: [{ name: 'build', seconds: 41 }, { name: 'package', seconds: 9 }], agent: 'runner-3', branch: 'main', trigger: 'K. Ito' }) : null;
  const random = noise(index + 1);
  const value = text ? Buffer.from(text) : Buffer.from(Array.from({ length: 320 }, () => Math.floor(random() * 256)));
  return {
    id: `dl-${connectorName}-${index}`, connector: connectorName, cluster: 'shop', topic: TOPICS[connectorName], incarnation: 0, partition: 3, offset: 40_118 - index, payload: 'shown', value_sha256: null, key_base64: Buffer.from(`build-${5524 - index}`).toString('base64'), value_base64: value.toString('base64'), value_text: text, value_bytes: value.length,
    headers: [['__connect.errors.topic', TOPICS[connectorName]], ['__connect.errors.partition', '3'], ['__connect.errors.offset', String(40_118 - index)], ['__connect.errors.exception.class.name', of.error_class], ['__connect.errors.exception.message', of.error_message], ['traceparent', null]].map(([name, headerValue]) => ({ name, value: headerValue })),
    error_class: of.error_class, error_message: of.error_message, format: of.format, bad_items: [], attempts: 3, first_failed_at: of.first_failed_at, last_failed_at: of.last_failed_at, fingerprint: of.fingerprint, status, replay_count: 0, items_read: 0, discard_reason: null,
  };
}

export const aliases = [
  { name: 'pay-svc', service: 'payment', origin: 'settings', set_by: 'settings', reason: 'entities.aliases of the settings', set_at: '2026-11-23T08:00:00Z', in_force: true },
];

const NO_SUMS = { records_read: 0, records_decoded: 0, records_seen_before: 0, records_rejected: 0, absent: 0, missed: 0, items_decoded: 0, items_stored: 0, items_folded: 0, items_seen_before: 0, items_rejected: 0 };
const booksOf = (name, topic, partitions) => {
  const rows = partitions.map((more, index) => {
    const sums = { ...NO_SUMS, ...more };
    sums.records_read = sums.records_decoded + sums.records_seen_before + sums.records_rejected;
    sums.items_decoded = sums.items_stored + sums.items_folded + sums.items_seen_before;
    return { connector: name, partition: { cluster: 'shop', topic, incarnation: 0, partition: index }, first_offset: 0, next_offset: sums.records_decoded + sums.records_rejected + sums.absent + sums.missed, topic_id: null, sums, unaccounted: { records: 0, items: 0, offsets: 0 } };
  });
  const total = Object.fromEntries(Object.keys(NO_SUMS).map((key) => [key, rows.reduce((sum, row) => sum + row.sums[key], 0)]));
  return { connector: name, closes: true, sums: total, partitions: rows };
};
/** `missed`: records that Kafka's retention removed before they were read. */
export function ledger(missed = 0) {
  const connectors = [
    booksOf('ci', 'ci.builds', [{ records_decoded: 88, records_rejected: 412, items_stored: 88 }]),
    booksOf('logs', 'logs.app', [{ records_decoded: 402_118_004, records_seen_before: 1_500, records_rejected: 618, items_folded: 402_118_004, missed }, { records_decoded: 388_000_120, items_folded: 388_000_100, items_seen_before: 20, absent: 12 }]),
    booksOf('replay', 'replay', [{ records_decoded: 0 }]),
  ];
  const sums = Object.fromEntries(Object.keys(NO_SUMS).map((key) => [key, connectors.reduce((sum, one) => sum + one.sums[key], 0)]));
  return { closes: true, sums, connectors };
}
