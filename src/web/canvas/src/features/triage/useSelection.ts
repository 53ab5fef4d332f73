import { useCallback, useMemo, useState } from 'react';

/** A cursor and a set of chosen rows over ids that come and go. */
export function useSelection(ids: readonly string[]) {
  const [cursor, setCursor] = useState<string | null>(null);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const here = cursor && ids.includes(cursor) ? cursor : (ids[0] ?? null);
  const selected = useMemo(() => new Set([...chosen].filter((id) => ids.includes(id))), [chosen, ids]);

  const move = (by: number) => {
    const at = here ? ids.indexOf(here) : -1;
    const next = ids[Math.max(0, Math.min(ids.length - 1, at + by))] ?? null;
    setCursor(next);
    return next;
  };
  const toggle = useCallback((id: string, range = false) => {
    setChosen((before) => {
      const after = new Set(before);
      const from = here ? ids.indexOf(here) : -1;
      const to = ids.indexOf(id);
      if (range && from >= 0) ids.slice(Math.min(from, to), Math.max(from, to) + 1).forEach((one) => after.add(one));
      else if (!after.delete(id)) after.add(id);
      return after;
    });
    setCursor(id);
  }, [here, ids]);
  const clear = useCallback(() => setChosen(new Set()), []);
  return { cursor: here, selected, move, toggle, clear, setCursor };
}
