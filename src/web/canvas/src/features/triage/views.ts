// Saved views of the list: a name for an address. The address alone is the view; the name is kept in this browser. Pure but for the storage.

export interface SavedView {
  name: string;
  /** Filters as a query text, in a fixed order. */
  query: string;
}

const KEY = 'whydunit.views';
export const NAME_CHARS_MAX = 40;
const VIEWS_MAX = 12;
/** What of the address is no filter. */
const PLACES = new Set(['saved', 'peek']);

/** The filters of an address as text, the same for the same filters whatever their order. */
export function filtersOf(params: URLSearchParams): string {
  const sorted = [...params].filter(([key, value]) => !PLACES.has(key) && value).sort(([a, x], [b, y]) => a.localeCompare(b) || x.localeCompare(y));
  return new URLSearchParams(sorted).toString();
}

export function readViews(storage: Pick<Storage, 'getItem'> | null = safe()): SavedView[] {
  try {
    const kept: unknown = JSON.parse(storage?.getItem(KEY) ?? '[]');
    return Array.isArray(kept) ? kept.filter((one): one is SavedView => typeof one?.name === 'string' && typeof one?.query === 'string').slice(0, VIEWS_MAX) : [];
  } catch {
    return [];
  }
}

export function keepViews(views: readonly SavedView[], storage: Pick<Storage, 'setItem'> | null = safe()) {
  try {
    storage?.setItem(KEY, JSON.stringify(views.slice(-VIEWS_MAX)));
  } catch {
    // Storage is switched off: the address still holds the view.
  }
}

/** With `view`, in place of one of the same name. */
export const withView = (views: readonly SavedView[], view: SavedView) => [...views.filter(({ name }) => name !== view.name), view].slice(-VIEWS_MAX);

/** The view that the address shows: by its filters, or by the name that a colleague gave it. */
export function shownView(views: readonly SavedView[], params: URLSearchParams): SavedView | null {
  const query = filtersOf(params);
  const kept = views.find((view) => view.query === query);
  const name = params.get('saved')?.slice(0, NAME_CHARS_MAX);
  return kept ?? (name && query ? { name, query } : null);
}

function safe(): Storage | null {
  try {
    return localStorage;
  } catch {
    return null;
  }
}
