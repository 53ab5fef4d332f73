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
    say(`${many(open.length)} closed as ${words(reason).toLowerCase()}`, { undo: () => void attempt(() => restore(open)) });
  };
  const patch = async (all: readonly InvestigationSummary[], change: InvestigationPatch, said: string) => {
    const rows = change.status ? all.filter(({ status }) => status !== change.status) : all;
    if (!rows.length) return;
    const results = await Promise.allSettled(rows.map((row) => write(row, row.version, change)));
    const changed = rows.filter((_, index) => results[index]?.status === 'fulfilled');
    const failure = results.find((result) => result.status === 'rejected');
    void refresh();
    if (failure) say(`${many(rows.length - changed.length)} not changed: ${explain(failure.reason)}`, { bad: true });
    if (!changed.length) return;
    done();
    say(`${many(changed.length)}: ${said}`, { undo: () => void attempt(() => Promise.all(changed.map((row) => write(row, '*', before(row, change))))) });
  };
  /** Puts a tag on, or takes it off, where that changes anything. */
  const tag = async (all: readonly InvestigationSummary[], name: string, on: boolean) => {
    const rows = all.filter(({ tags }) => tags.includes(name) !== on);
    if (!rows.length) return;
    const next = ({ tags }: InvestigationSummary) => (on ? [...tags, name] : tags.filter((one) => one !== name));
    if (!(await attempt(() => Promise.all(rows.map((row) => commands.patch(row.id, row.version, { tags: next(row) })))))) return;
    done();
    say(`${many(rows.length)}: ${on ? 'tagged' : 'no longer tagged'} ${name}`, { undo: () => void attempt(() => Promise.all(rows.map((row) => commands.patch(row.id, '*', { tags: row.tags })))) });
  };
  return { close, patch, tag };
}

async function restore(rows: readonly InvestigationSummary[]) {
  for (const row of rows) await commands.restore(row.id, row.status);
}

/** Back to open is a request of its own, with a reason; everything else is a patch. */
const write = (row: InvestigationSummary, version: number | '*', change: InvestigationPatch) =>
  change.status === 'open' ? commands.reopen(row.id, 'not in progress') : commands.patch(row.id, version, change);

/** The patch that takes `change` back. */
export function before(row: InvestigationSummary, change: InvestigationPatch): InvestigationPatch {
  return {
    ...(change.status && { status: row.status }),
    ...(change.priority && { priority: row.priority }),
    ...(change.impact_severity && { impact_severity: row.impact_severity }),
    ...(change.assigned_to !== undefined && { assigned_to: row.assigned_to ?? '' }),
  };
}
