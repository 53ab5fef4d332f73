// What real data does to a page: long names, many signals, nothing found, missing parts.

import { ID, investigation, list, signals } from './data.mjs';

const LONG = 'payment-authorisation-and-settlement-reconciliation-service-with-a-very-long-name-'.repeat(3).slice(0, 200);

/** 200-character names, 300-character titles, 0 suspects, 40 signals, 60 services. */
export function oddInvestigation() {
  const odd = structuredClone(investigation);
  const names = Array.from({ length: 60 }, (_, i) => (i === 0 ? LONG : `service-${i}-${'x'.repeat(i % 40)}`));
  odd.title = `${LONG} is failing for 100 % of requests since 14:02, ${'and nobody knows why '.repeat(10)}`.slice(0, 300);
  odd.service_affected = LONG;
  odd.assigned_to = 'A-person-with-quite-a-long-name-who-is-on-call@some-very-long-domain.example.org';
  Object.assign(odd.findings, {
    headline: odd.title, symptom: odd.title, service_affected: LONG, where_sentence: `${LONG} owns 12 of 12 extra failures.`, hot_services: names.slice(0, 40), services_total: 60, suspects: [], confidence: 0,
    signals: Array.from({ length: 40 }, (_, i) => ({ ...signals[i % signals.length], key: `${LONG}.${i}`, service: { environment: 'prod', service: names[i] }, surprise: 300 - i })),
    learning: ['search is still learning until 15:10.', `${LONG} is still learning until 15:40.`],
    graph: {
      nodes: names.map((service, i) => ({ service, score: i < 3 ? 0.5 : 0, surprise: 0, own_excess: 0, own_excess_unit: 'failures', delay_s: i < 3 ? i * 70 : null, hot: i < 3, label: 'level' })),
      edges: names.slice(1).map((callee, i) => ({ caller: names[Math.floor(i / 3)], callee, calls: 100, failed: i < 2 ? 20 : 0, mean_ms: 3, hot: i < 2, label: i < 2 ? '20.0 % fail' : '', weak: false })),
    },
  });
  odd.id = ID;
  return odd;
}

export function largeList(n) {
  return Array.from({ length: n }, (_, i) => {
    const row = structuredClone(list[i % list.length]);
    const started = new Date(Date.parse(row.started_at) - i * 60_000).toISOString();
    return { ...row, id: i === 0 ? ID : `8a4f0c1e-2b7d-8e63-9c40-${String(i).padStart(12, '0')}`, status: i < 40 ? row.status : 'resolved', recovered_at: i < 40 ? row.recovered_at : null, started_at: started, resolved_at: i < 40 ? null : started };
  });
}

/** An investigation of 10,000 events as the API answers for it: at most 200 marks a lane, linked events by the page. */
export function crowdedTimeline(timeline) {
  const [from, to] = [Date.parse(timeline.from), Date.parse(timeline.to)];
  const at = (index) => new Date(from + ((to - from) * index) / 200).toISOString();
  const crowd = (lane) => Array.from({ length: 200 }, (_, index) => ({ event_id: `${lane}-${index}`, at: at(index), until: null, seen_at: at(index), severity: index % 7 ? 'high' : 'critical', source: 'logs', event_type: 'error_burst', title: `${lane} ${index}`, service: 'payment', linked: true }));
  return { ...timeline, lanes: timeline.lanes.map((lane) => ({ ...lane, total: lane.total + 10_000, marks: [...lane.marks, ...crowd(lane.lane)], marks_cut: true })) };
}
