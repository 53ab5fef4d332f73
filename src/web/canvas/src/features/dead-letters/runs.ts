// How far decoding letters again is, in words. Pure.

import type { DeadLetter, DeadLetterGroup, ReplayRun } from '../../api/types';
import { clock, count, duration } from '../../ui/format';

/** A run that ended is told of this long after it was asked for, ms. */
const TOLD_MS = 15 * 60_000;

/** Runs that go on, newest first, and the newest one that ended, while that is news. */
export function told(runs: readonly ReplayRun[], now: number): ReplayRun[] {
  const going = runs.filter(({ left }) => left > 0);
  const [newest] = runs;
  return newest && newest.left === 0 && now - Date.parse(newest.at) < TOLD_MS ? [newest, ...going] : going;
}

/** What was chosen, with its group's reason where that is known. */
export function chosen({ letter_id, fingerprint, connector, letters, edited }: ReplayRun, groups: readonly DeadLetterGroup[]): string {
  if (letter_id) return edited ? 'one letter, edited' : 'one letter';
  const n = `${count(letters)} ${letters === 1 ? 'letter' : 'letters'}`;
  if (connector) return `${n} of ${connector}`;
  const reason = groups.find((group) => group.fingerprint === fingerprint)?.error_message;
  if (fingerprint) return reason ? `${n}: ${reason}` : `${n} of one group`;
  return `all ${n}`;
}

/** `412 of 618 done: 400 read, 12 failed again. About 4 s left.` */
export function progress({ letters, left, replayed, failed, at }: ReplayRun, now: number): string {
  const done = letters - left;
  const outcome = [replayed ? `${count(replayed)} read` : '', failed ? `${count(failed)} failed again and wait${failed === 1 ? 's' : ''}` : ''].filter(Boolean).join(', ');
  if (left === 0) return `Done: ${outcome || 'nothing to read'}.`;
  const spent = now - Date.parse(at);
  const rest = done > 0 && spent > 1_000 ? ` About ${duration(Math.max(1_000, (spent / done) * left))} left.` : '';
  return `${count(done)} of ${count(letters)} done${outcome ? `: ${outcome}` : ''}.${rest}`;
}

/** Share of a run that is done, 0 to 1. */
export const share = ({ letters, left }: Pick<ReplayRun, 'letters' | 'left'>) => (letters > 0 ? (letters - left) / letters : 1);

/** Whether a run holds letters of the group. */
export const concerns = (run: ReplayRun, group: Pick<DeadLetterGroup, 'fingerprint' | 'connector'>) =>
  !run.letter_id && (run.fingerprint ? run.fingerprint === group.fingerprint : !run.connector || run.connector === group.connector);

/** What happened to the letter last time. */
export function lastTime(letter: Pick<DeadLetter, 'status' | 'replay_count' | 'items_read' | 'discard_reason' | 'last_failed_at' | 'error_message'>): string {
  const times = letter.replay_count === 1 ? 'once' : `${count(letter.replay_count)} times`;
  const read = letter.items_read > 0 ? `${count(letter.items_read)} ${letter.items_read === 1 ? 'item' : 'items'} read` : 'no item read';
  switch (letter.status) {
    case 'replaying': return 'Replayed now.';
    case 'replayed': return `Replayed ${times}, ${read}.`;
    case 'discarded': return `Discarded: ${letter.discard_reason ?? 'no reason kept'}.`;
    default:
      return letter.replay_count === 0 ? 'Never replayed.' : `Replayed ${times}; at ${clock(letter.last_failed_at)} it failed again: ${letter.error_message}${letter.items_read > 0 ? ` (${read})` : ''}.`;
  }
}

/** One item of a dry run as a line. */
export function itemLine(item: unknown): string {
  if (typeof item !== 'object' || item === null) return String(item);
  const { kind, event, service, timestamp, ...rest } = item as Record<string, unknown>;
  const inner = typeof event === 'object' && event !== null ? (event as Record<string, unknown>) : null;
  const at = inner?.timestamp ?? timestamp;
  const what = inner ? inner.title : (rest.message ?? rest.operation ?? rest.metric);
  const of = inner?.service ?? service;
  return [typeof at === 'string' ? clock(at) : '', inner ? String(inner.event_type ?? 'event').replace(/_/g, ' ') : String(kind ?? 'item'), of ? `of ${String(of)}` : '', what ? `: ${String(what)}` : '', rest.value === undefined ? '' : `= ${String(rest.value)}`].filter(Boolean).join(' ').replace(' :', ':');
}
