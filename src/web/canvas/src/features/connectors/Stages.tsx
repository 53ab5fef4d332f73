import type { StageStatus } from '../../api/types';
import { clock } from '../../ui/format';
import { SeverityMark } from '../../ui/marks';
import { stageSays } from './state';

/** The stages of the pipeline as the supervisor sees them: in sight when one is down or was built again. */
export function Stages({ stages }: { stages: readonly StageStatus[] }) {
  if (!stages.length) return null;
  const down = stages.filter(({ alive }) => !alive).length;
  const again = stages.filter(({ restarts }) => restarts > 0).length;
  const word = down ? `${down} down` : again ? `${again} built again` : 'all well';
  return (
    <details className="stages" open={down > 0}>
      <summary>Stages: {stages.length}, {word}</summary>
      <table className="stages-table">
        <thead><tr><th scope="col">Stage</th><th scope="col">Since</th><th scope="col">What happened</th></tr></thead>
        <tbody>{stages.map((stage) => (
          <tr key={stage.name}>
            <td className={stage.alive ? '' : 'critical-ink'}>{!stage.alive && <SeverityMark severity="critical" />}<span className="mono">{stage.name}</span></td>
            <td className="mono dim">{clock(stage.since)}</td>
            <td>{stageSays(stage)}</td>
          </tr>
        ))}</tbody>
      </table>
    </details>
  );
}
