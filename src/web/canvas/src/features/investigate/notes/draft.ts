// What is typed and not yet stored: kept in this browser, so that neither a crash nor a lost network loses it.

export interface Draft {
  body: string;
  at: string | null;
  event_id: string | null;
}

const key = (id: string) => `whydunit.draft.${id}`;

export function readDraft(id: string, storage: Pick<Storage, 'getItem'> | null = safe()): Draft | null {
  try {
    const value = JSON.parse(storage?.getItem(key(id)) ?? 'null') as Partial<Draft> | null;
    return value && typeof value.body === 'string' && value.body ? { body: value.body, at: value.at ?? null, event_id: value.event_id ?? null } : null;
  } catch {
    return null;
  }
}

/** Keeps the draft; says whether it could. An empty body lets it go. */
export function keepDraft(id: string, draft: Draft | null, storage: Pick<Storage, 'setItem' | 'removeItem'> | null = safe()): boolean {
  try {
    if (draft?.body) storage?.setItem(key(id), JSON.stringify(draft));
    else storage?.removeItem(key(id));
    return storage !== null;
  } catch {
    return false;
  }
}

function safe(): Storage | null {
  try {
    return localStorage;
  } catch {
    return null;
  }
}
