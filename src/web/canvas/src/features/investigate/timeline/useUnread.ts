import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { queries } from '../../../api/queries';
import type { LaneName } from '../../../api/types';

/** Lanes whose connector does not read, from when on: an unread lane must not look like a quiet one. */
export function useUnread(): ReadonlyMap<LaneName, { from: number; why: string }> {
  const { data } = useQuery({ ...queries.connectors(), refetchInterval: 15_000 });
  return useMemo(() => new Map((data ?? []).flatMap((one) => {
    const from = Date.parse(one.last_event_at ?? one.breaker.opened_at ?? one.since ?? '');
    if (one.state === 'running' || one.state === 'connecting' || !Number.isFinite(from)) return [];
    return [[one.source as LaneName, { from: Math.max(from, Date.parse(one.breaker.opened_at ?? '') || 0), why: `not read: ${one.because || one.state}` }] as const];
  })), [data]);
}
