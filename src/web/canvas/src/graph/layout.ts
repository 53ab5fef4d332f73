// Layered places for services and calls. Pure; runs in a worker for every graph, so that a large one never stops the page.

import { Graph, layout } from '@dagrejs/dagre';

export interface LayoutRequest {
  ticket: number;
  nodes: readonly string[];
  edges: readonly (readonly [caller: string, callee: string, hot?: boolean])[];
}

export interface LayoutAnswer {
  ticket: number;
  /** Upper left corner of each node. */
  places: Record<string, { x: number; y: number }>;
}

export const NODE_WIDTH = 104;
export const NODE_HEIGHT = 46;

/** Calls of each caller with the hot ones in the middle: dagre keeps the order where nothing crosses. */
function centred(edges: LayoutRequest['edges']): LayoutRequest['edges'] {
  const byCaller = new Map<string, LayoutRequest['edges'][number][]>();
  for (const edge of edges) byCaller.set(edge[0], [...(byCaller.get(edge[0]) ?? []), edge]);
  return [...byCaller.values()].flatMap((calls) => {
    const cold = calls.filter(([, , hot]) => !hot);
    const half = Math.floor(cold.length / 2);
    return [...cold.slice(0, half), ...calls.filter(([, , hot]) => hot), ...cold.slice(half)];
  });
}

/** Callers above callees; the same input gives the same places. */
export function placesOf({ nodes, edges }: Pick<LayoutRequest, 'nodes' | 'edges'>): LayoutAnswer['places'] {
  const graph = new Graph();
  graph.setGraph({ rankdir: 'TB', nodesep: 10, ranksep: 48, marginx: 4, marginy: 4 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const name of nodes) graph.setNode(name, { width: NODE_WIDTH, height: NODE_HEIGHT });
  for (const [caller, callee, hot] of centred(edges)) {
    if (graph.hasNode(caller) && graph.hasNode(callee) && caller !== callee) graph.setEdge(caller, callee, { weight: hot ? 12 : 1 }); // The hot path stands straight.
  }
  layout(graph);
  return Object.fromEntries(nodes.map((name) => {
    const { x = 0, y = 0 } = graph.node(name) ?? {};
    return [name, { x: x - NODE_WIDTH / 2, y: y - NODE_HEIGHT / 2 }];
  }));
}
