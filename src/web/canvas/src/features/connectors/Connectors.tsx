import { useQuery, useQueryClient } from '@tanstack/react-query';
import { TriangleAlert } from 'lucide-react';
import { useState } from 'react';
import { useLocation } from 'wouter';
import { explain } from '../../api/client';
import { commands } from '../../api/commands';
import { queries } from '../../api/queries';
import { useActions } from '../../ui/actions';
import { SeverityMark } from '../../ui/marks';
import { useNow } from '../../ui/now';
import { otherReasons } from '../../ui/standing';
import { PageTop } from '../../ui/PageTop';
import { Empty, Failed, GhostRows } from '../../ui/states';
import { say } from '../../ui/toasts';
import { useUrl } from '../../ui/url';
import { Aliases } from './Aliases';
import { Books } from './Books';
import { BreakerDialog } from './BreakerDialog';
import { Card, type Verb } from './Card';
import './connectors.css';
import { Stages } from './Stages';
import { faceOf, sorted } from './state';

const DONE: Record<Verb, string> = { pause: 'pausing', resume: 'going on', reset: 'trying one batch' };

/** Is what whydunit sees all there is. */
export default function Connectors() {
  const client = useQueryClient();
  const [params, patch] = useUrl();
  const [, go] = useLocation();
  const { data, error, isPending, dataUpdatedAt, refetch } = useQuery(queries.connectors());
  const groups = useQuery(queries.deadLetterGroups());
  const health = useQuery(queries.health());
  const now = useNow(1000);
  const others = health.data ? otherReasons(health.data, now) : [];
  const list = sorted(data ?? []);
  const current = list.find(({ name }) => name === params.get('c')) ?? list[0];
  const at = current ? list.indexOf(current) : -1;
  const waitingOf = (name: string) => groups.data?.filter(({ connector }) => connector === name).reduce((sum, { waiting }) => sum + waiting, 0) ?? 0;
  const act = async (name: string, verb: Verb) => {
    try {
      await commands.connector(name, verb);
      const back = verb === 'pause' ? 'resume' : verb === 'resume' ? 'pause' : null;
      say(`${name}: ${DONE[verb]}`, back ? { undo: () => void act(name, back) } : {});
    } catch (failure) {
      say(`${name} did not take it: ${explain(failure)}`, { bad: true });
    }
    void client.invalidateQueries({ queryKey: ['connectors'] });
  };
  const [shown, show] = useState<string>();
  const decide = async (name: string, order: 'trip' | 'reset', reason: string) => {
    show(undefined);
    try {
      await commands[order](name, reason);
      say(`${name}: ${order === 'trip' ? 'its breaker is open' : 'trying again'}`);
    } catch (failure) {
      say(`${name} did not take it: ${explain(failure)}`, { bad: true });
    }
    void client.invalidateQueries({ queryKey: ['connectors'] });
  };
  const move = (by: number) => patch({ c: list[Math.max(0, Math.min(list.length - 1, at + by))]?.name });
  const stopped = current?.state === 'paused' || current?.state === 'stopped';
  useActions('Connectors', [
    { id: 'next', title: 'Next', keys: ['j', 'ArrowDown'], quiet: true, run: () => move(1) },
    { id: 'previous', title: 'Previous', keys: ['k', 'ArrowUp'], quiet: true, run: () => move(-1) },
    ...(current ? [
      { id: 'pause', title: `${stopped ? 'Resume' : 'Pause'} ${current.name}`, keys: ['p'], run: () => void act(current.name, stopped ? 'resume' : 'pause') },
      { id: 'retry', title: `Try ${current.name} now`, keys: ['r'], run: () => void act(current.name, 'reset') },
      { id: 'breaker', title: `Circuit breaker of ${current.name}`, keys: ['c'], run: () => show(current.name) },
      { id: 'letters', title: `Dead letters of ${current.name}`, keys: ['d'], run: () => go(`/dead-letters?connector=${encodeURIComponent(current.name)}`) },
    ] : []),
  ]);
  const tones = list.map((one) => faceOf(one).tone);
  const tally = [['critical', 'red', 'critical'], ['medium', 'to watch', 'medium'], ['quiet', 'paused', 'info'], ['well', 'well', 'info']] as const;
  return (
    <main id="main" className="page connectors">
      <PageTop title="Connectors">
        {tally.map(([tone, word, shape]) => {
          const n = tones.filter((one) => one === tone).length;
          return n ? <span key={tone} className={`sev mid ${tone === 'quiet' ? 'info' : tone}-ink`}><SeverityMark severity={shape} />{n} {word}</span> : null;
        })}
      </PageTop>
      <div>
        <Books />
        {others.length > 0 && <div className="banner" role="note"><TriangleAlert size={15} aria-hidden="true" /><span className="grow">{others.join('. ')}.</span></div>}
        {health.data && <Stages stages={health.data.stages} />}
        <Aliases />
        {error && <Failed error={error} what="The connectors" shownSince={data ? dataUpdatedAt : undefined} retry={() => void refetch()} />}
      </div>
      {isPending && !error ? <GhostRows rows={6} /> : (
        <section className={`connector-grid ${tones.every((tone) => tone === 'well') ? 'calm' : ''}`} aria-label="Connectors" tabIndex={0}>
          {list.map((one) => <Card key={one.name} one={one} current={one === current} waiting={waitingOf(one.name)} choose={() => patch({ c: one.name })} act={(verb) => void act(one.name, verb)} breaker={() => show(one.name)} />)}
          {!list.length && !error && <Empty title="No source is configured" center><span>Each source of the settings has its card here: name its topics under <span className="mono">[kafka]</span>.</span></Empty>}
        </section>
      )}
      <BreakerDialog one={list.find(({ name }) => name === shown)} close={() => show(undefined)} trip={(reason) => void decide(shown ?? '', 'trip', reason)} reset={(reason) => void decide(shown ?? '', 'reset', reason)} />
    </main>
  );
}
