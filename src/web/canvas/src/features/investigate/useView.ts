import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import type { UrlPatch } from '../../ui/url';
import { parseSpan, type Span } from './timeline/model';

const WRITE_MS = 250;
const iso = (ms: number) => new Date(ms).toISOString();

/** The visible span: moved at once, written into the address when it stands still. Without one in the address, it follows. */
export function useView(params: URLSearchParams, patch: (change: UrlPatch) => void, follow: Span | null): [Span | null, (span: Span) => void] {
  const from = params.get('from');
  const to = params.get('to');
  const inUrl = useMemo(() => parseSpan(from, to), [from, to]);
  const [moved, setMoved] = useState<Span | null>(null);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useEffect(() => setMoved(null), [from, to]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const set = useCallback((span: Span) => {
    setMoved(span);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => patch({ from: iso(span.from), to: iso(span.to) }), WRITE_MS);
  }, [patch]);
  return [moved ?? inUrl ?? follow, set];
}
