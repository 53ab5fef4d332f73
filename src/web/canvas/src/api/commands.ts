// Everything the page writes. Plain functions: who calls decides what to refresh and how to undo.

import { ask, segment } from './client';
import type { CloseReason, DeadLetter, Investigation, InvestigationPatch, LettersTaken, NewInvestigation, Note, Status, Verdict } from './types';

const inv = (id: string) => `/investigations/${segment(id)}`;
const post = async <T>(path: string, body: unknown) => (await ask<T>(path, { method: 'POST', body })).data;

/** Which dead letters: one, a group, or all of a connector. */
export type Letters = { id: string } | { fingerprint: string } | { connector: string };

export const commands = {
  createInvestigation: (fresh: NewInvestigation) => post<Investigation>('/investigations', fresh),
  /** Fails with 412 when somebody else changed it since `version`. */
  patch: async (id: string, version: number | '*', patch: InvestigationPatch) =>
    (await ask<Investigation>(inv(id), { method: 'PATCH', body: patch, ifMatch: version })).data,
  resolve: (id: string, root_cause: string) => post<Investigation>(`${inv(id)}/resolve`, { root_cause }),
  /** With `muteDays`, what opened a false alarm opens nothing for so long. */
  close: (id: string, reason: CloseReason, muteDays = 0) =>
    post<Investigation>(`${inv(id)}/close`, muteDays ? { reason, mute_until: new Date(Date.now() + muteDays * 86_400_000).toISOString() } : { reason }),
  closeMany: (ids: string[], reason: CloseReason) => post<unknown>('/investigations/close', { ids, reason }),
  /** Puts a status back as it was: every way back leads through "open". */
  restore: async (id: string, was: Status): Promise<Investigation> => {
    const open = await post<Investigation>(`${inv(id)}/reopen`, { reason: 'changed by mistake' });
    return was === 'in_progress' || was === 'resolved' ? commands.patch(id, '*', { status: was }) : open;
  },
  reopen: (id: string, reason: string) => post<Investigation>(`${inv(id)}/reopen`, { reason }),
  verdict: (id: string, suspect: string, verdict: Verdict, comment?: string) =>
    post<unknown>(`${inv(id)}/suspects/${segment(suspect)}/verdict`, { verdict, comment }),
  addNote: (id: string, note: { body: string; event_id?: string | null; at?: string | null }) => post<Note>(`${inv(id)}/notes`, note),
  editNote: async (id: string, note: string, body: string) =>
    (await ask<Note>(`${inv(id)}/notes/${segment(note)}`, { method: 'PATCH', body: { body } })).data,
  deleteNote: async (id: string, note: string) => void (await ask(`${inv(id)}/notes/${segment(note)}`, { method: 'DELETE' })),
  setAlias: async (name: string, service: string, reason: string) => void (await ask(`/aliases/${segment(name)}`, { method: 'PUT', body: { service, reason } })),
  removeAlias: async (name: string) => void (await ask(`/aliases/${segment(name)}`, { method: 'DELETE' })),
  connector: (name: string, verb: 'pause' | 'resume' | 'reset') => post<unknown>(`/connectors/${segment(name)}/${verb}`, {}),
  trip: (name: string, reason: string) => post<unknown>(`/connectors/${segment(name)}/trip`, { reason }),
  reset: (name: string, reason: string) => post<unknown>(`/connectors/${segment(name)}/reset`, { reason }),
  /** How many letters the decision took; the rest of them no longer waited. */
  discard: async (letters: Letters, reason: string): Promise<number> => {
    if (!('id' in letters)) return (await post<LettersTaken>('/dead-letters/discard', { ...letters, reason })).count;
    await ask(`/dead-letters/${segment(letters.id)}`, { method: 'DELETE', body: { reason } });
    return 1;
  },
  /** The letter with its bytes; who asked is logged. */
  reveal: (id: string) => post<DeadLetter>(`/dead-letters/${segment(id)}/reveal`, {}),
  restoreLetters: async (letters: Letters): Promise<number> => ('id' in letters ? commands.restoreLetter(letters.id) : (await post<LettersTaken>('/dead-letters/restore', letters)).count),
  restoreLetter: async (id: string): Promise<number> => (await post<LettersTaken>(`/dead-letters/${segment(id)}/restore`, {})).count,
  replay: async (letters: Letters, value: object): Promise<number> =>
    ('id' in letters ? await post<LettersTaken>(`/dead-letters/${segment(letters.id)}/replay`, value) : await post<LettersTaken>('/dead-letters/replay', letters)).count,
};
