// What was just done, with a way back for ten seconds.

import { useEffect, useSyncExternalStore } from 'react';
import { useActions } from './actions';
import { Kbd } from './Kbd';

interface Toast {
  id: number;
  text: string;
  bad: boolean;
  undo?: () => void;
}

export const UNDO_MS = 10_000;

let toasts: readonly Toast[] = [];
let lastId = 0;
const listeners = new Set<() => void>();

function set(next: readonly Toast[]) {
  toasts = next;
  listeners.forEach((listener) => listener());
}

const drop = (id: number) => set(toasts.filter((toast) => toast.id !== id));

/** Says `text`; with `undo`, offers it for ten seconds. */
export function say(text: string, { undo, bad = false }: { undo?: () => void; bad?: boolean } = {}) {
  lastId += 1;
  // At most three: the oldest leaves.
  set([...toasts.slice(-2), { id: lastId, text, bad, undo }]);
}

export function Toasts() {
  const shown = useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }, () => toasts);
  const undoable = [...shown].reverse().find(({ undo }) => undo);
  const undo = (toast: Toast) => {
    drop(toast.id);
    toast.undo?.();
  };
  useActions('Everywhere', undoable ? [{ id: 'undo', title: 'Undo', keys: ['mod+z'], run: () => undo(undoable) }] : []);
  return (
    <div className="toasts" role="status" aria-live="polite">
      {shown.map((toast) => <OneToast key={toast.id} toast={toast} undo={undo} />)}
    </div>
  );
}

function OneToast({ toast, undo }: { toast: Toast; undo: (toast: Toast) => void }) {
  useEffect(() => {
    const timer = setTimeout(() => drop(toast.id), UNDO_MS);
    return () => clearTimeout(timer);
  }, [toast.id]);
  return (
    <div className={`toast ${toast.bad ? 'bad' : ''}`}>
      <span className="grow">{toast.text}</span>
      {toast.undo && <button type="button" className="btn small" onClick={() => undo(toast)}>Undo <Kbd keys="mod+z" /></button>}
      <button type="button" className="btn ghost small" aria-label="Dismiss" onClick={() => drop(toast.id)}>×</button>
    </div>
  );
}
