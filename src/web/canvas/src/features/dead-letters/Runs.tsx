import { useQuery } from '@tanstack/react-query';
import { queries } from '../../api/queries';
import type { DeadLetterGroup } from '../../api/types';
import { clock } from '../../ui/format';
import { useNow } from '../../ui/now';
import { chosen, progress, share, told } from './runs';

/** Replays under way, and the last one that ended. The server counts them: they are there after a reload, and for everybody. */
export function Runs({ groups }: { groups: readonly DeadLetterGroup[] }) {
  const now = useNow(1000);
  const { data } = useQuery(queries.replayRuns());
  const runs = told(data ?? [], now);
  if (!runs.length) return null;
  return (
    <section className="runs" aria-label="Replays" role="status">
      {runs.slice(0, 4).map((run) => {
        const done = share(run);
        const words = progress(run, now);
        return (
          <div key={run.id} className={`run ${run.left ? 'going' : ''}`}>
            <span className="trunc run-what" title={chosen(run, groups)}><b>{run.left ? 'Replaying' : 'Replayed'}</b> {chosen(run, groups)}</span>
            <span className="run-bar" role="progressbar" aria-label={`Replay of ${chosen(run, groups)}`} aria-valuemin={0} aria-valuemax={run.letters} aria-valuenow={run.letters - run.left} aria-valuetext={words}>
              <svg width="100%" height="6" preserveAspectRatio="none" viewBox="0 0 100 6" aria-hidden="true"><rect width={done * 100} height="6" className={run.failed && !run.replayed ? 'bad' : ''} /></svg>
            </span>
            <span className="run-words">{words}</span>
            <span className="dim end mid">{clock(run.at)} by {run.who}</span>
          </div>
        );
      })}
    </section>
  );
}
