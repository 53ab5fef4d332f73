// The stream of what changed. It only says what to read again; a broken stream is shown and tried again.

import type { QueryClient } from '@tanstack/react-query';
import { useSyncExternalStore } from 'react';
import { authHeaders } from './client';
import { readMessages } from './sse';
import type { LiveUpdate } from './types';

export interface LiveState {
  state: 'connecting' | 'live' | 'broken';
  /** Event time up to which everything is judged. */
  watermark: string | null;
  /** Wall time since which the stream is broken, ms. */
  brokenAt: number | null;
}

/** The server speaks at least every 15 s; twice that in silence is a broken stream. */
const SILENCE_MS = 32_000;
const RETRY_MS = [500, 1_000, 2_000, 5_000, 10_000];
/** Updates within this time are answered by one re-read. */
const SETTLE_MS = 400;

let current: LiveState = { state: 'connecting', watermark: null, brokenAt: null };
const listeners = new Set<() => void>();

function set(next: Partial<LiveState>) {
  current = { ...current, ...next };
  listeners.forEach((listener) => listener());
}

const subscribe = (listener: () => void) => {
  listeners.add(listener);
  return () => void listeners.delete(listener);
};

export const useLive = () => useSyncExternalStore(subscribe, () => current);

/** "Now" in event time, ms: how far everything is judged. Wall time until the server has said it. */
export const useEventNow = () => useSyncExternalStore(subscribe, () => (current.watermark ? Date.parse(current.watermark) : Math.floor(Date.now() / 15_000) * 15_000));

/** What to read again after an update; `null` means everything. */
export function keysTouchedBy(update: LiveUpdate): readonly (readonly string[])[] | null {
  switch (update.type) {
    case 'investigation_changed':
      return [['investigations'], ['investigation', update.id], ['activity', update.id], ['timeline', update.id], ['events', 'linked']];
    case 'events_stored':
      return [['events'], ['timeline']];
    case 'dead_letters_stored':
      return [['dead-letters']];
    case 'letters_replayed':
      return [['dead-letters'], ['ledger']];
    case 'notes_changed':
      return [['notes', update.investigation_id], ['activity', update.investigation_id]];
    case 'notifications_changed':
      return [['notifications']];
    case 'connectors_changed':
      return [['connectors'], ['health']];
    case 'reset':
      return null;
    default:
      return [];
  }
}

/** Follows the stream until the returned function is called. */
export function followLive(client: QueryClient): () => void {
  const ended = new AbortController();
  let lastId: string | null = null;
  const pending = new Map<string, readonly string[]>();
  let timer: ReturnType<typeof setTimeout> | null = null;

  const flush = () => {
    timer = null;
    for (const queryKey of pending.values()) void client.invalidateQueries({ queryKey });
    pending.clear();
  };
  const take = (update: LiveUpdate) => {
    if (update.type === 'heartbeat') return set({ watermark: update.watermark ?? current.watermark });
    const keys = keysTouchedBy(update);
    if (keys === null) return void client.invalidateQueries();
    keys.forEach((key) => pending.set(key.join('\0'), key));
    timer ??= setTimeout(flush, SETTLE_MS);
    return undefined;
  };

  const readOnce = async () => {
    const attempt = new AbortController();
    const stop = () => attempt.abort();
    ended.signal.addEventListener('abort', stop);
    let silence = setTimeout(stop, SILENCE_MS);
    try {
      const headers: Record<string, string> = { Accept: 'text/event-stream', ...authHeaders() };
      if (lastId !== null) headers['Last-Event-ID'] = lastId;
      const response = await fetch('/api/v1/stream', { headers, signal: attempt.signal });
      if (!response.ok || !response.body) throw new Error(`stream: ${response.status}`);
      const missed = current.state === 'broken' && lastId === null;
      set({ state: 'live', brokenAt: null });
      if (missed) void client.invalidateQueries();
      const decoder = new TextDecoder();
      let rest = '';
      for (const reader = response.body.getReader(); ; ) {
        const { done, value } = await reader.read();
        if (done) return;
        clearTimeout(silence);
        silence = setTimeout(stop, SILENCE_MS);
        const read = readMessages(rest + decoder.decode(value, { stream: true }));
        rest = read.rest;
        for (const message of read.messages) {
          if (message.id !== null) lastId = message.id;
          const update = parse(message.event, message.data);
          if (update) take(update);
        }
      }
    } finally {
      clearTimeout(silence);
      ended.signal.removeEventListener('abort', stop);
    }
  };

  void (async () => {
    for (let failures = 0; !ended.signal.aborted; ) {
      const startedAt = Date.now();
      await readOnce().catch(() => undefined);
      if (ended.signal.aborted) return;
      failures = Date.now() - startedAt > 5_000 ? 0 : failures + 1;
      set({ state: 'broken', brokenAt: current.brokenAt ?? Date.now() });
      await new Promise((wake) => setTimeout(wake, RETRY_MS[Math.min(failures, RETRY_MS.length - 1)]));
    }
  })();

  return () => {
    ended.abort();
    if (timer) clearTimeout(timer);
  };
}

function parse(event: string, data: string): LiveUpdate | null {
  if (event === 'reset') return { type: 'reset' };
  try {
    const value = JSON.parse(data) as LiveUpdate;
    return typeof value === 'object' && value !== null ? { ...value, type: value.type ?? event } as LiveUpdate : null;
  } catch {
    return null;
  }
}
