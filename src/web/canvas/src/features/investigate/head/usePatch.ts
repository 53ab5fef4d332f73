import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Problem, explain } from '../../../api/client';
import { commands } from '../../../api/commands';
import { queries } from '../../../api/queries';
import type { CloseReason, Investigation, InvestigationPatch } from '../../../api/types';
import { words } from '../../../ui/format';
import { say } from '../../../ui/toasts';

export interface Conflict {
  patch: InvestigationPatch;
  who: string;
  ageMs: number | null;
  mine: string;
  theirs: string;
}

/** What a patch says, for a person: "status resolved, priority p0". */
export function describe(patch: InvestigationPatch, values: Partial<Record<keyof InvestigationPatch, unknown>> = patch): string {
  return Object.keys(patch).map((key) => `${words(key).toLowerCase()} ${String(values[key as keyof InvestigationPatch] || 'empty').slice(0, 60)}`).join(', ');
}

/** Writes to one investigation: what was read is what is changed, else both are shown. */
export function usePatch(investigation: Investigation | undefined) {
  const client = useQueryClient();
  const [conflict, setConflict] = useState<Conflict | null>(null);
  const id = investigation?.id ?? '';
  const refresh = () => Promise.all([['investigation', id], ['investigations'], ['activity', id]].map((queryKey) => client.invalidateQueries({ queryKey })));
  const keep = (fresh: Investigation | undefined) => {
    if (fresh && typeof fresh === 'object' && 'version' in fresh) client.setQueryData(queries.investigation(id).queryKey, fresh);
    void refresh();
  };

  const onStale = async (patch: InvestigationPatch) => {
    const [theirs, activity] = await Promise.all([
      client.fetchQuery({ ...queries.investigation(id), staleTime: 0 }),
      client.fetchQuery({ ...queries.activity(id), staleTime: 0 }).catch(() => []),
    ]);
    const last = [...activity].sort((a, b) => Date.parse(b.at) - Date.parse(a.at))[0];
    setConflict({ patch, who: last?.who ?? 'somebody', ageMs: last ? Math.max(0, Date.now() - Date.parse(last.at)) : null, mine: describe(patch), theirs: describe(patch, theirs as unknown as Record<string, unknown>) });
  };
  const attempt = async (work: () => Promise<Investigation>, patch: InvestigationPatch | null, said: string | null, undo?: () => void) => {
    try {
      keep(await work());
      if (said) say(said, { undo });
    } catch (error) {
      if (error instanceof Problem && error.status === 412 && patch) return onStale(patch).catch((again: unknown) => say(`Not saved: ${explain(again)}`, { bad: true }));
      say(`Not saved: ${explain(error)}`, { bad: true });
    }
    return undefined;
  };

  return {
    conflict,
    patch: (change: InvestigationPatch) => void (investigation && attempt(() => commands.patch(id, investigation.version, change), change, null)),
    settle: (mine: boolean) => {
      const { patch } = conflict ?? {};
      setConflict(null);
      if (mine && patch) void attempt(() => commands.patch(id, '*', patch), null, 'Saved');
    },
    resolve: (rootCause: string) => attempt(() => commands.resolve(id, rootCause), null, 'Resolved'),
    reopen: () => void attempt(() => commands.reopen(id, 'it is not over'), null, 'Reopened'),
    close: (reason: CloseReason, muteDays = 0) => void (investigation && attempt(() => commands.close(id, reason, muteDays), null, `Closed as ${words(reason).toLowerCase()}${muteDays ? `; what opened it opens nothing for ${muteDays} days` : ''}`, () => void attempt(() => commands.restore(id, investigation.status), null, null))),
  };
}
