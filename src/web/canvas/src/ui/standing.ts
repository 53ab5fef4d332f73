// What is not as it should be on the way in, as sentences. Pure.

import type { ConnectorStatus, Health } from '../api/types';
import { clock, duration } from './format';

const WORDS: Partial<Record<ConnectorStatus['state'], string>> = {
  open: 'is not read', stopped: 'is stopped', backing_off: 'is not read, trying again', half_open: 'is being tried with one batch', paused: 'is paused', connecting: 'is not connected yet',
};

/** A connector that has only just begun to connect is no news yet. */
const CONNECTING_GRACE_MS = 10_000;

export interface Trouble {
  name: string;
  text: string;
}

/** One sentence a source that is not read, with since when: `git is not read since 14:08:12, 3 min 6 s: connection refused`. */
export function troubles(connectors: readonly ConnectorStatus[], now: number): Trouble[] {
  return connectors.flatMap(({ name, state, since, because }) => {
    const word = WORDS[state];
    const age = since ? Math.max(0, now - Date.parse(since)) : 0;
    if (!word || (state === 'connecting' && age < CONNECTING_GRACE_MS)) return [];
    const when = since ? ` since ${clock(since)}, ${duration(Math.max(1000, age))}` : '';
    const why = because && because !== 'connecting' ? `: ${because}` : '';
    return [{ name, text: `${name} ${word}${when}${why}` }];
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
