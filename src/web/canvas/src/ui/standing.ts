// What is not as it should be on the way in, as sentences. Pure.

import type { ConnectorStatus, Health } from '../api/types';
import { clock, duration, shortTime } from './format';

const WORDS: Partial<Record<ConnectorStatus['state'], [state: string, next: string]>> = {
  open: ['not read', ''], stopped: ['stopped', ''], backing_off: ['not read', ', trying again'], half_open: ['being tried with one batch', ''], paused: ['paused', ''], connecting: ['not connected yet', ''],
};

/** A connector that has only just begun to connect is no news yet. */
const CONNECTING_GRACE_MS = 10_000;

export interface Trouble {
  names: string[];
  /** What is the matter with them, as it follows their names. */
  text: string;
  /** The reason with its details. */
  why: string;
}

/** Names as a person lists them: `ci, git and logs`. */
export const listed = (names: readonly string[]) => (names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`);

/** A sentence for the sources that are not read for one reason, with since when: `git is not read since 14:08:12, 3 min 6 s: connection refused`. */
export function troubles(connectors: readonly ConnectorStatus[], now: number): Trouble[] {
  const groups = new Map<string, ConnectorStatus[]>();
  for (const one of connectors) {
    // Without a time it has not been anything else yet.
    const fresh = one.state === 'connecting' && (one.since === null || now - Date.parse(one.since) < CONNECTING_GRACE_MS);
    if (!WORDS[one.state] || fresh) continue;
    const key = `${one.state}\0${one.because}`;
    groups.set(key, [...(groups.get(key) ?? []), one]);
  }
  return [...groups.values()].map((group) => {
    const [{ state, because } = { state: 'open' as const, because: '' }] = group;
    const [word, next] = WORDS[state] ?? ['', ''];
    const since = group.map((one) => Date.parse(one.since ?? '')).filter(Number.isFinite).sort((a, b) => a - b)[0];
    const when = since === undefined ? '' : ` since ${shortTime(new Date(since).toISOString(), now, true)}, ${duration(Math.max(1000, now - since))}`;
    // The first clause says what; what librdkafka adds stands on the connector's card.
    const why = because === 'connecting' ? '' : because;
    return { names: group.map(({ name }) => name), text: ` ${group.length > 1 ? 'are' : 'is'} ${word}${when}${next}${why ? `: ${why.split(': ')[0]}` : ''}`, why };
  });
}

/** What else the process says of itself; what it says of connectors stands in `troubles`. */
export const otherReasons = (health: Pick<Health, 'reasons'>) => health.reasons.filter((reason) => !reason.startsWith('connector ')).map((reason) => reason.replace(/\.$/, ''));

/** Until when nothing can open; `null` when everything is learned. */
export function learningText({ learning_until, watermark }: Pick<Health, 'learning_until' | 'watermark'>): string | null {
  if (!learning_until) return null;
  const left = watermark ? Date.parse(learning_until) - Date.parse(watermark) : 0;
  return `Nothing opens before ${clock(learning_until)} UTC of event time${left > 0 ? `, ${duration(left)} from now` : ''}: until then whydunit learns what is usual.`;
}
