import { useQueryClient } from '@tanstack/react-query';
import { explain } from '../../api/client';
import { count } from '../../ui/format';
import { say } from '../../ui/toasts';

interface Told {
  /** Takes it back, where that can be. */
  undo?: () => void;
  reason?: string;
}

/** Carries out a decision on letters, says what came of it, and reads again what it touched. `true` when it was taken. */
export function useDecide() {
  const client = useQueryClient();
  return async (word: string, decide: () => Promise<number>, { undo, reason }: Told = {}): Promise<boolean> => {
    try {
      const taken = await decide();
      if (taken === 0) say('No letter was taken: none of them waits any more.', { bad: true });
      else say(`${word}: ${count(taken)} ${taken === 1 ? 'letter' : 'letters'}${reason ? `, ${reason}` : ''}`, { undo });
      return taken > 0;
    } catch (failure) {
      say(`Not done: ${explain(failure)}`, { bad: true });
      return false;
    } finally {
      void client.invalidateQueries({ queryKey: ['dead-letters'] });
    }
  };
}
