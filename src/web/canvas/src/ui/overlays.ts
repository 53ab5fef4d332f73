// Opens what `app` draws over every page, so that a page need not know `app`.

import { useSyncExternalStore } from 'react';

export type Overlay = 'palette' | 'keys' | 'person' | null;

let open: Overlay = null;
const listeners = new Set<() => void>();

export function setOverlay(next: Overlay) {
  open = next;
  listeners.forEach((listener) => listener());
}

export const openPalette = () => setOverlay('palette');
export const openKeySheet = () => setOverlay('keys');

export const useOverlay = () =>
  useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }, () => open);
