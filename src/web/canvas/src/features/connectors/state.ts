// What a connector's state means to a person. Pure.

import type { BreakerTransition, ConnectorStatus, Severity, StageStatus } from '../../api/types';
import { count, duration } from '../../ui/format';

export type Tone = 'critical' | 'medium' | 'well' | 'quiet';

export interface Face {
  tone: Tone;
  word: string;
  shape: Severity;
}

/** Lag above this is behind even while it runs, seconds. */
const BEHIND_S = 5;

export function faceOf({ state, lag_seconds, lag_records, because }: Pick<ConnectorStatus, 'state' | 'lag_seconds' | 'lag_records' | 'because'>): Face {
  switch (state) {
    case 'open': return { tone: 'critical', word: 'Breaker open', shape: 'critical' };
    case 'stopped': return { tone: 'critical', word: 'Stopped', shape: 'critical' };
    case 'half_open': return { tone: 'medium', word: 'Trying one batch', shape: 'medium' };
    case 'backing_off': return { tone: 'medium', word: 'Trying again', shape: 'medium' };
    case 'connecting': return { tone: 'medium', word: 'Connecting', shape: 'medium' };
    case 'paused': return { tone: 'quiet', word: 'Paused', shape: 'info' };
    case 'running': if (because) return { tone: 'medium', word: 'Reads in part', shape: 'medium' }; return lag_seconds > BEHIND_S && lag_records > 0 ? { tone: 'medium', word: 'Behind', shape: 'medium' } : { tone: 'well', word: 'Running', shape: 'info' };
    default: return { tone: 'quiet', word: state, shape: 'info' };
  }
}

/** Red first, then what tries, then the rest; each by name. */
export function sorted(connectors: readonly ConnectorStatus[]): ConnectorStatus[] {
  const order: Tone[] = ['critical', 'medium', 'quiet', 'well'];
  return [...connectors].sort((a, b) => order.indexOf(faceOf(a).tone) - order.indexOf(faceOf(b).tone) || a.name.localeCompare(b.name));
}

/** What to say where the server gives no reason. */
export function sentence(one: ConnectorStatus): string {
  if (one.because) return /[.!?]$/.test(one.because) ? one.because : `${one.because}.`;
  const { tone, word } = faceOf(one);
  if (tone !== 'well') return `${word}.`;
  return one.rate_in > 0 ? 'Well.' : 'Well. Quiet: nothing to read.';
}

/** Shares of the formats, with what could not be decoded, largest first, together 1. */
export function mix({ decode_mix, rejected_total }: Pick<ConnectorStatus, 'decode_mix' | 'rejected_total'>): { name: string; share: number; rejected: boolean }[] {
  const total = decode_mix.reduce((sum, { records }) => sum + records, 0) + rejected_total;
  if (total === 0) return [];
  const parts = decode_mix.map(({ format, records }) => ({ name: format.replace(/_/g, ' '), share: records / total, rejected: false })).sort((a, b) => b.share - a.share);
  return rejected_total > 0 ? [...parts, { name: 'not decoded', share: rejected_total / total, rejected: true }] : parts;
}

/** A clock this far off is worth a line, seconds; below zero it may be the way to Kafka that takes so long. */
const AHEAD_S = 2;
const BEHIND_CLOCK_S = 60;

/** What is wrong with the times of items, as sentences: clocks that are off, times in a wrong unit. */
export function clockSays({ clock_skew, wrong_unit_total }: Pick<ConnectorStatus, 'clock_skew' | 'wrong_unit_total'>): string[] {
  const off = clock_skew.filter(({ skew_s }) => skew_s > AHEAD_S || skew_s < -BEHIND_CLOCK_S);
  const says = off.slice(0, 3).map(({ host, service, skew_s }) => `${host ?? service ?? 'somebody'} is ${duration(Math.abs(skew_s) * 1000)} ${skew_s > 0 ? 'ahead of' : 'behind'} Kafka's clock`);
  if (off.length > 3) says.push(`and ${off.length - 3} more`);
  if (wrong_unit_total > 0) says.push(`${count(wrong_unit_total)} items have times in a wrong unit`);
  return says;
}

const BREAKER: Record<BreakerTransition['to'], string> = { closed: 'Closed', open: 'Opened', half_open: 'Let a few through' };

/** One change of the breaker as a sentence: `Opened by ada: broker under repair`. */
export function changed({ to, by, why }: BreakerTransition): string {
  return `${BREAKER[to]}${by ? ` by ${by}` : ''}${why ? `: ${why}` : ''}`;
}

/** A stage of the tree as a sentence: `built again 3 times, the last time because stage detection/0 panicked`. */
export function stageSays({ alive, restarts, last_reason }: StageStatus): string {
  const built = restarts === 0 ? 'never built again' : `built again ${restarts === 1 ? 'once' : `${restarts} times`}`;
  const reason = last_reason ? `, the last time because ${last_reason}` : '';
  return `${alive ? '' : 'down, '}${built}${reason}`;
}
