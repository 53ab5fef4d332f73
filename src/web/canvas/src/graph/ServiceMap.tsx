import { BaseEdge, EdgeLabelRenderer, Handle, MarkerType, Position, ReactFlow, ReactFlowProvider, useReactFlow, type Edge, type EdgeProps, type Node, type NodeProps } from '@xyflow/react';
import '@xyflow/react/dist/base.css';
import { memo, useEffect, useMemo } from 'react';
import type { GraphEdge, GraphNode, ServiceGraph } from '../api/types';
import { count, roughDuration, value } from '../ui/format';
import { NODE_HEIGHT, NODE_WIDTH, callId, lineThrough, type Point } from './layout';
import './service-map.css';
import { useLayout } from './useLayout';

interface Props {
  graph: ServiceGraph;
  /** The service that owns most: drawn as the origin. */
  origin: string | null;
  focus: string | null;
  /** Name of the change beside the service it was made to. */
  change: { service: string; name: string } | null;
  pick: (service: string) => void;
}

type ServiceNode = Node<{ node: GraphNode; origin: boolean; focus: boolean; change: string | null }, 'service'>;
type CallEdge = Edge<{ edge: GraphEdge; corners: readonly Point[] }, 'call'>;

/** Under this zoom the names cannot be read. */
const READABLE_ZOOM = 0.6;

const NODE_TYPES = { service: memo(ServiceBox) };
const EDGE_TYPES = { call: memo(Call) };

export default function ServiceMap(props: Props) {
  return <ReactFlowProvider><Map {...props} /></ReactFlowProvider>;
}

function Map({ graph, origin, focus, change, pick }: Props) {
  const laidOut = useLayout(graph);
  const places = laidOut?.places;
  const flow = useReactFlow();
  const nodes = useMemo<ServiceNode[]>(() => (!places || !laidOut ? [] : graph.nodes.flatMap((node) => {
    const position = places[node.service];
    if (!position) return [];
    return [{ id: node.service, type: 'service' as const, position, width: laidOut.nodeWidth, height: NODE_HEIGHT, data: { node, origin: node.service === origin, focus: node.service === focus, change: change?.service === node.service ? change.name : null }, ariaLabel: `${node.service}: ${node.label}${node.hot ? ', hot' : ''}` }];
  })), [graph, laidOut, places, origin, focus, change]);
  const edges = useMemo<CallEdge[]>(() => graph.edges.map((edge) => ({
    id: callId(edge.caller, edge.callee), source: edge.caller, target: edge.callee, type: 'call' as const, data: { edge, corners: laidOut?.ways[callId(edge.caller, edge.callee)] ?? [] }, focusable: false,
    // The failure climbs: the arrow stands at the caller.
    ...(edge.hot && { markerStart: { type: MarkerType.ArrowClosed, width: 9, height: 9, orient: 'auto-start-reverse' } }), zIndex: edge.hot ? 1 : 0,
  })), [graph, laidOut]);
  useEffect(() => {
    if (!places) return undefined;
    const frame = requestAnimationFrame(async () => {
      // Room at the right for the name of a change.
      await flow.fitView({ padding: { top: '4px', bottom: '4px', left: '10px', right: '20px' }, maxZoom: 1 });
      // A graph too large to be read whole starts at its origin; the rest is a drag, or the table, away.
      const place = places[origin ?? ''] ?? places[graph.nodes.find(({ hot }) => hot)?.service ?? ''];
      if (flow.getZoom() < READABLE_ZOOM && place) void flow.setCenter(place.x + NODE_WIDTH / 2, place.y + NODE_HEIGHT * 2, { zoom: 0.85 });
    });
    return () => cancelAnimationFrame(frame);
  // Only another layout moves the picture.
  // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [places, flow]);
  return (
    <ReactFlow nodes={nodes} edges={edges} nodeTypes={NODE_TYPES} edgeTypes={EDGE_TYPES} nodesDraggable={false} nodesConnectable={false} elementsSelectable={false}
      onNodeClick={(_, { id }) => pick(id)} minZoom={0.08} maxZoom={1.6} zoomOnDoubleClick={false} preventScrolling={false} zoomOnScroll={false} panOnScroll={false}
      proOptions={{ hideAttribution: true }} onlyRenderVisibleElements={graph.nodes.length > 80} nodesFocusable />
  );
}

/** What moved at a service that owns no failures, in words. */
const LABELS: Readonly<Record<string, string>> = {
  'hop gap': 'slow to reach', 'self time': 'slow itself', metric: 'metric moved', 'new error': 'new error', 'log shape': 'other log lines', failures: 'calls fail', 'hop failures': 'calls get lost', throughput: 'other load',
};

function ServiceBox({ data: { node, origin, focus, change } }: NodeProps<ServiceNode>) {
  const delay = node.delay_s === null ? '' : `+${roughDuration(node.delay_s * 1000)}`;
  return (
    <div className={`service-box ${node.hot ? 'hot' : ''} ${origin ? 'origin' : ''} ${focus ? 'focus' : ''} ${!node.hot && node.score > 0 ? 'outside' : ''}`} title={`${node.service}: ${node.label}`}>
      <Handle type="target" position={Position.Top} isConnectable={false} />
      <div className="row" style={{ gap: 3 }}><b className="trunc grow">{node.service}</b>{delay && <span className="small sec">{delay}</span>}</div>
      <div className="trunc small own">{LABELS[node.label] ?? node.label}</div>
      {change && <span className="service-change"><svg width="12" height="12" viewBox="0 0 12 12" aria-hidden="true"><path d="M6 0L12 6L6 12L0 6Z" fill="currentColor" stroke="var(--panel)" /></svg><span className="mono">{change}</span></span>}
      <Handle type="source" position={Position.Bottom} isConnectable={false} />
    </div>
  );
}

function Call(props: EdgeProps<CallEdge>) {
  const { sourceX, sourceY, targetX, targetY, data } = props;
  if (!data) return null;
  const { edge, corners } = data;
  const { path, words: place } = lineThrough({ x: sourceX, y: sourceY }, corners, { x: targetX, y: targetY });
  // Known by error texts alone, failing, or slow: what travels up this call.
  const words = edge.weak ? 'named in errors' : edge.failed > 0 ? `${Number(((100 * edge.failed) / Math.max(1, edge.calls)).toFixed(1))} % fail` : `${value(edge.mean_ms)} ms`;
  return (
    <>
      <BaseEdge path={path} markerStart={props.markerStart} className={`call ${edge.hot ? 'hot' : ''} ${edge.weak ? 'weak' : ''}`} />
      {edge.hot && <EdgeLabelRenderer><span className="call-label" style={{ transform: `translate(${place.left ? '-100%' : '0'}, -50%) translate(${place.x}px, ${place.y}px)` }} title={edge.weak ? `Error lines of ${edge.caller} name ${edge.callee}; no call was seen` : `${edge.caller} calls ${edge.callee}: ${count(edge.failed)} of ${count(edge.calls)} failed, ${value(edge.mean_ms)} ms mean`}>{words}</span></EdgeLabelRenderer>}
    </>
  );
}
