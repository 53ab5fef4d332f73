// One registry of everything that can be done by key: the palette and the key sheet read it, the page registers in it.

import { useId, useLayoutEffect, useMemo, useRef, useSyncExternalStore } from 'react';

export interface Action {
  id: string;
  title: string;
  /** Such as `j`, `g i`, `mod+k`, `shift+Delete`, `Enter`. The first one is shown. */
  keys?: readonly string[];
  run: () => void;
  /** Kept out of the palette: needs a place, such as "next". */
  quiet?: boolean;
}

export interface ActionGroup {
  group: string;
  actions: readonly Action[];
}

const groups = new Map<string, ActionGroup>();
const listeners = new Set<() => void>();
let snapshot: readonly ActionGroup[] = [];

function changed() {
  snapshot = [...groups.values()];
  listeners.forEach((listener) => listener());
}

/** Offers `actions` as long as the component is there. Later groups win where keys clash. */
export function useActions(group: string, actions: readonly Action[]) {
  const id = useId();
  const latest = useRef(actions);
  latest.current = actions;
  const shape = actions.map((action) => `${action.id}|${action.title}|${action.keys?.join(',') ?? ''}`).join('\n');
  // The registered action calls the newest closure, so that it is registered again only when its shape changes.
  const offered = useMemo(
    () => actions.map((action) => ({ ...action, run: () => latest.current.find(({ id: other }) => other === action.id)?.run() })),
    // eslint-disable-next-line react-hooks/exhaustive-deps
    [shape],
  );
  // With what is drawn, not after it: what can be seen can be reached by key.
  useLayoutEffect(() => {
    groups.set(id, { group, actions: offered });
    changed();
    return () => {
      groups.delete(id);
      changed();
    };
  }, [id, group, offered]);
}

export const useActionGroups = () =>
  useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }, () => snapshot);

// ---------------------------------------------------------------- keys

const SEQUENCE_MS = 900;
const OFF_KEY = 'whydunit.letters-off';
let pending = '';
let pendingAt = 0;
let lettersOff = readOff();

function readOff() {
  try {
    return localStorage.getItem(OFF_KEY) === '1';
  } catch {
    return false;
  }
}

export const letters = {
  off: () => lettersOff,
  /** Single letters can be switched off for people who dictate (WCAG 2.1.4). */
  setOff(off: boolean) {
    lettersOff = off;
    try {
      localStorage.setItem(OFF_KEY, off ? '1' : '');
    } catch {
      // Lives as long as the page.
    }
  },
};

/** Name of a pressed key as the registry writes it. */
export function keyName(event: Pick<KeyboardEvent, 'key' | 'ctrlKey' | 'metaKey' | 'shiftKey' | 'altKey'>): string {
  const named = event.key.length > 1 || event.key === ' ';
  const key = event.key === ' ' ? 'Space' : named ? event.key : event.key.toLowerCase();
  const shifted = event.shiftKey && (named || /^\p{L}$/u.test(key));
  return `${event.ctrlKey || event.metaKey ? 'mod+' : ''}${event.altKey ? 'alt+' : ''}${shifted ? 'shift+' : ''}${key}`;
}

/** What a key means now: an action, the start of a sequence, or nothing. */
export function resolve(all: readonly ActionGroup[], before: string, key: string): Action | 'wait' | null {
  const wanted = before ? `${before} ${key}` : key;
  for (const { actions } of [...all].reverse()) {
    const action = actions.find(({ keys }) => keys?.includes(wanted));
    if (action) return action;
  }
  const starts = all.some(({ actions }) => actions.some(({ keys }) => keys?.some((text) => text.startsWith(`${wanted} `))));
  if (starts) return 'wait';
  return before ? resolve(all, '', key) : null;
}

const OVERLAYS = '[role=dialog],[role=menu],[role=listbox]';
const isText = (target: Element | null) => !!target?.closest('input:not([type=checkbox]):not([type=radio]),textarea,select,[contenteditable=true]');

function onKey(event: KeyboardEvent) {
  if (event.defaultPrevented || event.isComposing) return;
  const target = event.target instanceof Element ? event.target : null;
  const key = keyName(event);
  const combined = key.startsWith('mod+');
  // Also while one opens and the focus is still on its way: what is typed is meant for it.
  if (!combined && (target?.closest(OVERLAYS) || document.querySelector(OVERLAYS))) return;
  if (isText(target) && !combined) return;
  if (isText(target) && key === 'mod+z') return;
  if (lettersOff && !combined && [...event.key].length === 1) return;
  if ((key === 'Enter' || key === 'Space') && target?.closest('button,a,summary,input')) return;
  const before = event.timeStamp - pendingAt < SEQUENCE_MS ? pending : '';
  pending = '';
  const found = resolve(snapshot, before, key);
  if (found === null) return;
  event.preventDefault();
  if (found === 'wait') {
    pending = key;
    pendingAt = event.timeStamp;
    return;
  }
  found.run();
}

export function listenToKeys(): () => void {
  window.addEventListener('keydown', onKey);
  return () => window.removeEventListener('keydown', onKey);
}

const NAMES: Record<string, string> = {
  Enter: '↵', Escape: 'esc', Space: 'space', ArrowUp: '↑', ArrowDown: '↓', ArrowLeft: '←', ArrowRight: '→', Delete: '⌫', Backspace: '⌫', '-': '−',
};

/** The caps to draw for a key text: `g i` → two, `mod+k` → one. */
export function keyCaps(keys: string): string[] {
  const mac = typeof navigator !== 'undefined' && /Mac|iPhone|iPad/.test(navigator.platform);
  return keys.split(' ').map((chord) => {
    const parts = chord === '+' ? ['+'] : chord.split('+');
    return parts
      .map((part, index) => {
        if (part === 'mod') return mac ? '⌘' : 'Ctrl ';
        if (part === 'shift') return '⇧';
        if (part === 'alt') return mac ? '⌥' : 'Alt ';
        return NAMES[part] ?? (index > 0 ? part.toUpperCase() : part);
      })
      .join('');
  });
}
