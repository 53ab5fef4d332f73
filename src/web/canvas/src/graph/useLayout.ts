import { useEffect, useRef, useState } from 'react';
import type { ServiceGraph } from '../api/types';
import type { Layout, LayoutAnswer, LayoutRequest } from './layout';

/** Places of the graph's services and ways of their calls, from the worker; `null` until the first answer. Asked again only when its shape changes. */
export function useLayout({ nodes, edges }: ServiceGraph): Layout | null {
  const worker = useRef<Worker | null>(null);
  const ticket = useRef(0);
  const [laidOut, setLaidOut] = useState<Layout | null>(null);
  const shape = JSON.stringify([nodes.map(({ service }) => service), edges.map(({ caller, callee, hot }) => [caller, callee, hot])]);
  useEffect(() => {
    const made = new Worker(new URL('./layout.worker.ts', import.meta.url), { type: 'module' });
    worker.current = made;
    made.onmessage = ({ data }: MessageEvent<LayoutAnswer>) => {
      if (data.ticket === ticket.current) setLaidOut(data);
    };
    return () => made.terminate();
  }, []);
  useEffect(() => {
    ticket.current += 1;
    const [names, calls] = JSON.parse(shape) as [string[], [string, string, boolean][]];
    worker.current?.postMessage({ ticket: ticket.current, nodes: names, edges: calls } satisfies LayoutRequest);
  }, [shape]);
  return laidOut;
}
