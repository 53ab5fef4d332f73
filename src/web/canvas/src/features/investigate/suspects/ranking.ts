// In which order the suspects stand, and what the strongest proof of one is. Pure.

import type { EngineFindings, Evidence, Signal, Suspect } from '../../../api/types';

export interface SuspectGroup {
  title: string;
  suspects: Suspect[];
}

/** Changes first where one outranks "nothing we can see", else services: the answer stands on top. */
export function suspectGroups(suspects: readonly Suspect[]): SuspectGroup[] {
  const byRank = (wanted: (kind: Suspect['kind']) => boolean) => suspects.filter(({ kind }) => wanted(kind)).sort((a, b) => a.rank - b.rank);
  const services = byRank((kind) => kind === 'service');
  const none = suspects.filter(({ kind }) => kind === 'none');
  const changes = byRank((kind) => kind !== 'service' && kind !== 'none');
  const noneScore = none[0]?.score ?? 0;
  const above = changes.filter(({ score }) => score >= noneScore);
  const below = changes.filter(({ score }) => score < noneScore);
  const changeGroup = { title: 'What may have caused it', suspects: [...above, ...none, ...below] };
  const serviceGroup = { title: 'Where it comes from', suspects: services };
  return (above.length ? [changeGroup, serviceGroup] : [serviceGroup, changeGroup]).filter(({ suspects: list }) => list.length);
}

/** The evidence to show first: the most surprising that names an event. */
export function strongest({ evidence }: Pick<Suspect, 'evidence'>): Evidence | null {
  const named = evidence.filter(({ event_ids }) => event_ids.length);
  return [...named].sort((a, b) => (b.surprise ?? 0) - (a.surprise ?? 0))[0] ?? null;
}

export interface Proof {
  eventId: string | null;
  service: string | null;
  from: number;
  to: number;
}

const BEFORE_MS = 40_000;
const AFTER_MS = 80_000;

/** Where to look to believe a suspect: its strongest evidence's event, its service, the two minutes around its onset. */
export function proofOf(suspect: Suspect, findings: Pick<EngineFindings, 'started_at' | 'signals'>): Proof {
  const eventId = strongest(suspect)?.event_ids[0] ?? suspect.event_id;
  const signal = findings.signals.find(({ event_id }) => event_id === eventId) ?? strongestOf(findings.signals, suspect.service);
  const onset = Date.parse(signal?.onset ?? findings.started_at);
  return { eventId: eventId ?? signal?.event_id ?? null, service: suspect.service ?? signal?.service.service ?? null, from: onset - BEFORE_MS, to: onset + AFTER_MS };
}

const strongestOf = (signals: readonly Signal[], service: string | null) => signals.filter(({ service: of }) => of.service === service).sort((a, b) => b.surprise - a.surprise)[0];

/** The event to show before one is picked: the strongest sign of where it comes from, else the strongest of all. */
export function strongestSign({ signals, suspects }: Pick<EngineFindings, 'signals' | 'suspects'>, origin: string | null): string | null {
  const most = (list: readonly Signal[]) => [...list].sort((a, b) => b.surprise - a.surprise)[0]?.event_id ?? null;
  return most(signals.filter(({ service }) => service.service === origin)) ?? most(signals) ?? suspects.find(({ event_id }) => event_id !== null)?.event_id ?? null;
}
