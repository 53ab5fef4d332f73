// What an event's data says, by what it is: a change, something found, lines that were folded. Pure.

import type { EventItem } from '../api/types';
import { clock, count, duration, value } from './format';

type Data = Readonly<Record<string, unknown>>;

export interface Exemplar {
  message: string;
  /** Where it was written: host, version, time, position. */
  where: string;
  stack: string | null;
}

export interface EventFacts {
  /** Names and values in the order to be read: what tells most. */
  fields: [string, string][];
  /** And the rest of what has a name. */
  more: [string, string][];
  diff: string | null;
  exemplars: Exemplar[];
  /** What no field shows, as it came. */
  rest: Data;
}

const isData = (value: unknown): value is Data => typeof value === 'object' && value !== null && !Array.isArray(value);
const textOf = (value: unknown): string | null => (typeof value === 'string' ? value.trim() || null : typeof value === 'number' && Number.isFinite(value) ? String(value) : null);
const listOf = (value: unknown): string[] => (Array.isArray(value) ? value.filter((one): one is string => typeof one === 'string') : []);

/** Fields of a change that are said in words, in this order. */
const FIRST: readonly [key: string, name: string][] = [['author', 'By'], ['message', 'Message'], ['version', 'Version'], ['conclusion', 'Ended']];
const MORE: readonly [key: string, name: string][] = [
  ['description', 'Says'], ['branch', 'Branch'], ['ref', 'Ref'], ['repository', 'Repository'], ['sha', 'Commit'], ['workflow', 'Workflow'], ['trigger', 'Because of'], ['url', 'Address'],
];
/** Said already by the title, or by the fields above. */
const SAID = new Set(['step', 'payload', 'files_total', 'deployment_id', 'attempt']);

export function eventFacts({ event_type, data }: Pick<EventItem, 'event_type' | 'data'>): EventFacts {
  if (!isData(data)) return { fields: [], more: [], diff: null, exemplars: [], rest: {} };
  if (isData(data.facts) && typeof data.detector === 'string') return found(data);
  if (Array.isArray(data.exemplars)) return folded(data);
  return /^(commit|deployment|rollback|build|pull_request)/.test(event_type) || typeof data.sha === 'string' ? changed(data) : { fields: [], more: [], diff: null, exemplars: [], rest: data };
}

function changed(data: Data): EventFacts {
  const named = (list: typeof FIRST) => list.flatMap(([key, name]): [string, string][] => {
    const text = textOf(data[key]);
    return text === null ? [] : [[name, text]];
  });
  const fields = named(FIRST);
  // "payment 3.8.0: <message>" says nothing that is not said.
  const more = named(MORE).filter(([name, text]) => name !== 'Says' || !text.includes(textOf(data.message) ?? '\0'));
  if (typeof data.duration_s === 'number') fields.push(['Took', duration(data.duration_s * 1000)]);
  const files = listOf(data.files);
  const total = typeof data.files_total === 'number' ? data.files_total : files.length;
  if (files.length) more.push([total === 1 ? 'File' : `Files, ${count(total)}`, files.join(', ') + (total > files.length ? ' …' : '')]);
  const diff = typeof data.diff === 'string' ? data.diff : null;
  const shown = new Set([...[...FIRST, ...MORE].filter(([key]) => textOf(data[key]) !== null).map(([key]) => key), 'duration_s', 'files', ...(diff === null ? [] : ['diff'])]);
  return { fields, more, diff, exemplars: [], rest: without(data, (key) => shown.has(key) || SAID.has(key)) };
}

/** Numbers behind a verdict: what was usual, what is now, how surprising that is. */
function found(data: Data): EventFacts {
  const facts = isData(data.facts) ? data.facts : {};
  const n = (key: string) => (typeof facts[key] === 'number' ? facts[key] : null);
  const share = (hits: number | null, cases: number | null): string | null => (hits === null || !cases ? null : `${value(hits)} of ${count(cases)}, ${value((100 * hits) / cases)} %`);
  const [before, now] = [share(n('hits_before'), n('cases_before')), share(n('hits_now'), n('cases_now'))];
  const [low, high] = [n('value_before'), n('value_now')];
  const unit = data.detector === 'self_time' || data.detector === 'hop_gap' || data.detector === 'slow_requests' ? ' ms' : '';
  const fields: [string, string | null][] = [
    ['What', textOf(data.key)],
    ['Usual', before ?? (low === null ? null : value(low))],
    ['Now', now ?? (high === null ? null : value(high))],
    ['Median', before !== null && low !== null && high !== null ? `${value(low)} → ${value(high)}${unit}` : null],
    ['Limit', n('threshold') === null ? null : `${value(n('threshold') ?? 0)}${unit}: beyond it counts as slow`],
    ['Deviation', n('z') === null ? null : `${value(n('z') ?? 0)} times the usual one`],
    ['Surprise', typeof data.surprise === 'number' ? `S ${value(data.surprise)}: one in 10^${Math.round(data.surprise)} by chance` : null],
    ['Window', typeof data.window_s === 'number' ? duration(data.window_s * 1000) : null],
    ['Example', textOf(data.message)],
  ];
  return { fields: fields.filter((field): field is [string, string] => field[1] !== null), more: [], diff: null, exemplars: [], rest: without(data, (key) => ['detector', 'facts', 'key', 'message', 'surprise', 'window_s'].includes(key)) };
}

function folded(data: Data): EventFacts {
  const exemplars = (data.exemplars as unknown[]).map((one): Exemplar => {
    if (!isData(one)) return { message: typeof one === 'string' ? one : JSON.stringify(one), where: '', stack: null };
    const position = isData(one.position) ? `${String(one.position.topic)} / ${String(one.position.partition)} / ${String(one.position.offset)}` : null;
    const where = [textOf(one.host), textOf(one.version) && `version ${textOf(one.version)}`, typeof one.timestamp === 'string' ? clock(one.timestamp) : null, position].filter(Boolean).join(' · ');
    return { message: textOf(one.message) ?? textOf(one.msg) ?? JSON.stringify(one), where, stack: textOf(one.stack) };
  });
  const template = textOf(data.template);
  return { fields: template ? [['Pattern', template]] : [], more: [], diff: null, exemplars, rest: without(data, (key) => key === 'exemplars' || key === 'template') };
}

const without = (data: Data, drop: (key: string) => boolean): Data => Object.fromEntries(Object.entries(data).filter(([key, value]) => !drop(key) && value !== null));
