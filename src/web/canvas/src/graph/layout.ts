// Layered places for services and ways for their calls. Pure; runs in a worker for every graph, so that a large one never stops the page.

import { Graph, layout } from '@dagrejs/dagre';

export interface Point {
  x: number;
  y: number;
}

export interface LayoutRequest {
  ticket: number;
  nodes: readonly string[];
  edges: readonly (readonly [caller: string, callee: string, hot?: boolean])[];
}

export interface Layout {
  /** Upper left corner of each node. */
  places: Record<string, Point>;
  /** Corners of each call's way between its two ends, around the nodes in between; by `callId`. */
  ways: Record<string, Point[]>;
  nodeWidth: number;
}

export interface LayoutAnswer extends Layout {
  ticket: number;
}

export const callId = (caller: string, callee: string) => `${caller}→${callee}`;

export const NODE_WIDTH = 104;
export const NODE_HEIGHT = 46;
/** Names that need more get it while every layer still fits into the pane. */
const NODE_WIDTH_MAX = 156;
const PANE_WIDTH = 330;
const NODE_GAP = 10;
const CHAR_PX = 7;
/** Padding, and the seconds beside the name. */
const BESIDE_NAME_PX = 54;
/** A larger graph is laid out once. */
const FITTED_NODES_MAX = 40;

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
export function layoutOf({ nodes, edges }: Pick<LayoutRequest, 'nodes' | 'edges'>): Layout {
  const longest = Math.max(0, ...nodes.map((name) => name.length));
  const wanted = Math.min(NODE_WIDTH_MAX, Math.max(NODE_WIDTH, longest * CHAR_PX + BESIDE_NAME_PX));
  const wide = laidOut({ nodes, edges }, nodes.length > FITTED_NODES_MAX ? NODE_WIDTH : wanted);
  const layers = new Map<number, number>();
  for (const { y } of Object.values(wide.places)) layers.set(y, (layers.get(y) ?? 0) + 1);
  const most = Math.max(0, ...layers.values());
  const fits = most * wide.nodeWidth + (most - 1) * NODE_GAP <= PANE_WIDTH;
  return fits || wide.nodeWidth === NODE_WIDTH ? wide : laidOut({ nodes, edges }, NODE_WIDTH);
}

function laidOut({ nodes, edges }: Pick<LayoutRequest, 'nodes' | 'edges'>, nodeWidth: number): Layout {
  const graph = new Graph();
  graph.setGraph({ rankdir: 'TB', nodesep: NODE_GAP, edgesep: NODE_GAP, ranksep: 48, marginx: 4, marginy: 4 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const name of nodes) graph.setNode(name, { width: nodeWidth, height: NODE_HEIGHT });
  for (const [caller, callee, hot] of centred(edges)) {
    // The hot path stands straight.
    if (graph.hasNode(caller) && graph.hasNode(callee) && caller !== callee) graph.setEdge(caller, callee, { weight: hot ? 12 : 1 });
  }
  layout(graph);
  const places = Object.fromEntries(nodes.map((name) => {
    const { x = 0, y = 0 } = graph.node(name) ?? {};
    return [name, { x: x - nodeWidth / 2, y: y - NODE_HEIGHT / 2 }];
  }));
  const ways = Object.fromEntries(graph.edges().map(({ v, w }) => {
    const points: Point[] = graph.edge(v, w)?.points ?? [];
    // The first and the last lie on the borders of the nodes: there the handles are.
    return [callId(v, w), points.slice(1, -1).map(({ x, y }) => ({ x, y }))];
  }));
  return { places, ways, nodeWidth };
}

/** Words of a call stand this far from its caller. */
const WORDS_BELOW_PX = 13;
const WORDS_BESIDE_PX = 9;

/** A smooth line through the corners of a way, and where its words stand: under the caller, on the side to which it leaves. */
export function lineThrough(from: Point, corners: readonly Point[], to: Point): { path: string; words: Point & { left: boolean } } {
  const towards = corners[0] ?? to;
  const left = towards.x <= from.x + 1;
  const words = { x: from.x + (left ? -WORDS_BESIDE_PX : WORDS_BESIDE_PX), y: from.y + WORDS_BELOW_PX, left };
  if (corners.length < 2) {
    const middle = (from.y + to.y) / 2;
    return { path: `M${from.x},${from.y} C${from.x},${middle} ${to.x},${middle} ${to.x},${to.y}`, words };
  }
  // Quadratic pieces from middle to middle: every corner is rounded, none is overshot.
  const points = [from, ...corners, to];
  const pieces = points.slice(1, -1).map((corner, index) => {
    const next = points[index + 2] ?? to;
    const end = index === corners.length - 1 ? next : { x: (corner.x + next.x) / 2, y: (corner.y + next.y) / 2 };
    return `Q${corner.x},${corner.y} ${end.x},${end.y}`;
  });
  return { path: `M${from.x},${from.y} ${pieces.join(' ')}`, words };
}
