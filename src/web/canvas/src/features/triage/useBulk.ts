import { useQueryClient } from '@tanstack/react-query';
import { explain } from '../../api/client';
import { commands } from '../../api/commands';
import type { CloseReason, InvestigationPatch, InvestigationSummary } from '../../api/types';
import { words } from '../../ui/format';
import { say } from '../../ui/toasts';

const many = (n: number) => (n === 1 ? '1 investigation' : `${n} investigations`);

/** Changes of several investigations at once, each with its way back. */
export function useBulk(done: () => void) {
  const client = useQueryClient();
  const refresh = () => client.invalidateQueries({ queryKey: ['investigations'] });
  const attempt = async (work: () => Promise<unknown>) => {
    try {
      await work();
      return true;
    } catch (error) {
      say(`Not saved: ${explain(error)}`, { bad: true });
      return false;
    } finally {
      void refresh();
    }
  };

  const close = async (rows: readonly InvestigationSummary[], reason: CloseReason) => {
    const open = rows.filter(({ status }) => status !== 'closed');
    if (!open.length) return;
    if (!(await attempt(() => commands.closeMany(open.map(({ id }) => id), reason)))) return;
    done();
    say(`${many(open.length)} closed as ${words(reason).toLowerCase()}`, { undo: () => void attempt(() => reopen(open)) });
  };
  const patch = async (rows: readonly InvestigationSummary[], change: InvestigationPatch, said: string) => {
    const results = await Promise.allSettled(rows.map((row) => commands.patch(row.id, row.version, change)));
    const changed = rows.filter((_, index) => results[index]?.status === 'fulfilled');
    const failure = results.find((result) => result.status === 'rejected');
    void refresh();
    if (failure) say(`${many(rows.length - changed.length)} not changed: ${explain(failure.reason)}`, { bad: true });
    if (!changed.length) return;
    done();
    say(`${many(changed.length)}: ${said}`, { undo: () => void attempt(() => Promise.all(changed.map((row) => commands.patch(row.id, '*', before(row, change))))) });
  };
  return { close, patch };
}

/** Reopens, and puts those back in progress that were. */
async function reopen(rows: readonly InvestigationSummary[]) {
  for (const row of rows) {
    await commands.reopen(row.id, 'closed by mistake');
    if (row.status === 'in_progress') await commands.patch(row.id, '*', { status: 'in_progress' });
  }
}

/** The patch that takes `change` back. */
export function before(row: InvestigationSummary, change: InvestigationPatch): InvestigationPatch {
  return {
    ...(change.status && { status: row.status }),
    ...(change.priority && { priority: row.priority }),
    ...(change.impact_severity && { impact_severity: row.impact_severity }),
    ...(change.assigned_to !== undefined && { assigned_to: row.assigned_to ?? '' }),
  };
}
