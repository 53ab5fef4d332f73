import { useState } from 'react';
import { say } from '../../ui/toasts';
import type { useUrl } from '../../ui/url';
import { filtersOf, keepViews, readViews, shownView, withView, type SavedView } from './views';

/** The saved views, and the one that the address shows. */
export function useViews(params: URLSearchParams, patch: ReturnType<typeof useUrl>[1]) {
  const [views, setViews] = useState<readonly SavedView[]>(readViews);
  const keep = (next: readonly SavedView[]) => {
    setViews(next);
    keepViews(next);
  };
  const shown = shownView(views, params);
  const cleared = () => Object.fromEntries([...new Set(params.keys())].map((key) => [key, null]));
  const show = ({ name, query }: SavedView) => {
    const wanted = new URLSearchParams(query);
    patch({ ...cleared(), ...Object.fromEntries([...new Set(wanted.keys())].map((key) => [key, wanted.getAll(key)])), saved: name }, true);
  };
  const save = (name: string) => {
    keep(withView(views, { name, query: filtersOf(params) }));
    patch({ saved: name });
    say(`View “${name}” saved`, { undo: () => keep(views) });
  };
  const remove = (view: SavedView) => {
    keep(views.filter((one) => one !== view));
    patch({ saved: null });
    say(`View “${view.name}” removed`, { undo: () => keep(views) });
  };
  return { views, shown, show, save, remove, filtered: filtersOf(params) !== '', cleared };
}
