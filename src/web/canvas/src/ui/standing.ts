// What is not as it should be on the way in, as sentences. Pure.

import type { ConnectorStatus, Health } from '../api/types';
import { clock, duration, shortTime } from './format';

const WORDS: Partial<Record<ConnectorStatus['state'], string>> = {
  open: 'not read', stopped: 'stopped', backing_off: 'not read', half_open: 'being tried with one batch', paused: 'paused', connecting: 'not connected yet',
};

/** What happens next to a connector that is not read, and when: `next try in 42 s`. Empty for one that runs. */
export function nextStep({ state, breaker }: Pick<ConnectorStatus, 'state' | 'breaker'>, now: number): string {
  const at = breaker.retry_at === null ? NaN : Date.parse(breaker.retry_at);
  const tried = Number.isFinite(at) ? (at - now > 1_000 ? `next try in ${duration(at - now)}` : 'next try now') : '';
  switch (state) {
    case 'open': return tried || 'tried again by itself';
    case 'backing_off': return tried || 'trying again by itself';
    case 'half_open': return 'if that batch is read, reading goes on';
    case 'connecting': return tried || 'trying by itself';
    case 'paused': return 'goes on when somebody resumes it';
    case 'stopped': return 'not tried again until somebody resumes it';
    default: return '';
  }
}

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
    const [first] = group;
    const [state, because] = [first?.state ?? 'open', first?.because ?? ''];
    const word = WORDS[state] ?? '';
    // The one that is tried first tells the others: one reason, one cause.
    const soonest = [...group].sort((a, b) => (Date.parse(a.breaker.retry_at ?? '') || Infinity) - (Date.parse(b.breaker.retry_at ?? '') || Infinity))[0];
    const next = soonest ? nextStep(soonest, now) : '';
    const since = group.map((one) => Date.parse(one.since ?? '')).filter(Number.isFinite).sort((a, b) => a - b)[0];
    const when = since === undefined ? '' : ` since ${shortTime(new Date(since).toISOString(), now, true)}, ${duration(Math.max(1000, now - since))}`;
    // The first clause says what; what librdkafka adds stands on the connector's card.
    const why = because === 'connecting' ? '' : because;
    return { names: group.map(({ name }) => name), text: ` ${group.length > 1 ? 'are' : 'is'} ${word}${when}${why ? `: ${why.split(': ')[0]}` : ''}${next ? `; ${next}` : ''}`, why };
  });
}

/** What else the process says of itself; what it says of connectors stands in `troubles`. */
export function otherReasons(health: Pick<Health, 'reasons'>, now: number): string[] {
  const since = (at: string) => (Number.isFinite(Date.parse(at)) ? `, since ${shortTime(at, now, true)}, ${duration(Math.max(1000, now - Date.parse(at)))}` : '');
  return health.reasons.filter((reason) => !reason.startsWith('connector ')).map((reason) => reason.replace(/\.$/, '').replace(/ \(since (\S+)\)$/, (_, at: string) => since(at)));
}

/** Until when nothing can open; `null` when everything is learned. */
export function learningText({ learning_until, watermark }: Pick<Health, 'learning_until' | 'watermark'>): string | null {
  if (!learning_until) return null;
  const left = watermark ? Date.parse(learning_until) - Date.parse(watermark) : 0;
  return `Nothing opens before ${clock(learning_until)} UTC of event time${left > 0 ? `, ${duration(left)} from now` : ''}: until then whydunit learns what is usual.`;
}
