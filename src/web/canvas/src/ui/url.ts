import { useCallback } from 'react';
import { useSearchParams } from 'wouter';

export type UrlPatch = Record<string, string | readonly string[] | null | undefined>;

/** State that can be shared: the query part of the address. Empty values leave it. */
export function useUrl(): [URLSearchParams, (patch: UrlPatch, push?: boolean) => void] {
  const [params, setParams] = useSearchParams();
  const patch = useCallback(
    (change: UrlPatch, push = false) =>
      setParams((before) => applyPatch(before, change), { replace: !push }),
    [setParams],
  );
  return [params, patch];
}

export function applyPatch(before: URLSearchParams, change: UrlPatch): URLSearchParams {
  const after = new URLSearchParams(before);
  for (const [key, value] of Object.entries(change)) {
    after.delete(key);
    if (typeof value === 'string') {
      if (value) after.set(key, value);
    } else value?.forEach((one) => after.append(key, one));
  }
  return after;
}
