// What became of telling people, in words.

import type { Channel, Delivery, NotificationKind } from '../api/types';
import { clock, count, duration } from './format';

export type Tone = 'well' | 'medium' | 'critical';

export const KIND_WORDS: Record<NotificationKind, string> = {
  opened: 'Opened',
  suspect_changed: 'Changed',
  recovered: 'Recovered',
  merged: 'Merged',
  test: 'Test',
};

const CHANNEL_NAMES: Record<string, string> = { alertmanager: 'Alertmanager', webhook: 'Webhook', kafka: 'Kafka' };
export const channelName = (name: string) => CHANNEL_NAMES[name] ?? name;

export const toneOf = ({ state, last_error: error }: Pick<Delivery, 'state' | 'last_error'>): Tone => (state === 'given_up' ? 'critical' : state === 'waiting' && error ? 'medium' : 'well');

/** `delivered 14:02:31`, `given up 14:02:31 after 812 tries`, `waits, tried 3 times, next in 12 s`. `now` in ms. */
export function deliverySays({ state, attempts, ended_at: ended, next_attempt_at: next }: Delivery, now: number): string {
  const tries = attempts === 1 ? 'one try' : `${count(attempts)} tries`;
  if (state === 'delivered') return `delivered ${clock(ended ?? '')}${attempts > 1 ? `, after ${tries}` : ''}`;
  if (state === 'given_up') return `given up ${clock(ended ?? '')} after ${tries}`;
  if (!attempts) return 'on its way';
  const left = next ? Date.parse(next) - now : 0;
  return `waits after ${tries}, ${left > 1000 ? `next in ${duration(left)}` : 'next as soon as the channel lets it'}`;
}

/** Why a channel does not tell, or that it does. */
export function channelSays({ waiting, breaker, last_delivered_at: last, last_error: error, oldest_waiting_at: oldest }: Channel, now: number): { tone: Tone; text: string } {
  const behind = waiting ? `${count(waiting)} ${waiting === 1 ? 'waits' : 'wait'}${oldest ? `, the oldest since ${clock(oldest)}` : ''}` : '';
  if (breaker.state === 'open') {
    const left = breaker.retry_at ? Date.parse(breaker.retry_at) - now : 0;
    return { tone: 'critical', text: `Not reached: ${error ?? 'no answer'}. ${left > 1000 ? `Tried again in ${duration(left)}` : 'Tried again now'}${behind ? `; ${behind}` : ''}.` };
  }
  if (waiting && error) return { tone: 'medium', text: `Trying again: ${error}. ${behind}.` };
  if (waiting) return { tone: 'well', text: `${behind}.` };
  return { tone: 'well', text: last ? `Told last at ${clock(last)}.` : 'Nothing was to be told since the start.' };
}
