import type { ServiceGraph } from '../api/types';
import { count, roughDuration, value } from '../ui/format';

/** The graph as text: services by how much of it is theirs, then the calls that fail. */
export function GraphTable({ graph }: { graph: ServiceGraph }) {
  const nodes = [...graph.nodes].sort((a, b) => Number(b.hot) - Number(a.hot) || b.own_excess - a.own_excess);
  return (
    <div style={{ overflow: 'auto', flex: 1 }} tabIndex={0} role="region" aria-label="Service graph as a table">
      <table className="twin">
        <thead><tr><th>Service</th><th>State</th><th className="r">Turned after</th></tr></thead>
        <tbody>{nodes.map((node) => <tr key={node.service}><td>{node.service}</td><td className={node.hot ? 'critical-ink' : ''}>{node.label}</td><td className="r">{node.delay_s === null ? '–' : roughDuration(node.delay_s * 1000)}</td></tr>)}</tbody>
      </table>
      <table className="twin">
        <thead><tr><th>Call</th><th className="r">Calls</th><th className="r">Failed</th><th className="r">Mean ms</th></tr></thead>
        <tbody>{graph.edges.map((edge) => <tr key={`${edge.caller}\0${edge.callee}`}><td>{edge.caller} → {edge.callee}</td>{edge.weak ? <td className="sec" colSpan={3}>named in error lines; no call was seen</td> : <><td className="r">{count(edge.calls)}</td><td className={`r ${edge.hot ? 'critical-ink' : ''}`}>{count(edge.failed)}</td><td className="r">{value(edge.mean_ms)}</td></>}</tr>)}</tbody>
      </table>
    </div>
  );
}
