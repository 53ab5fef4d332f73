import { useQuery } from '@tanstack/react-query';
import { queries } from '../../api/queries';
import type { DeadLetterGroup, LetterStatus, ReplayRun, Source } from '../../api/types';
import { useActions } from '../../ui/actions';
import { clock, count, shortCount } from '../../ui/format';
import { Hint, Kbd } from '../../ui/Kbd';
import { SourceIcon } from '../../ui/marks';
import { PageTop } from '../../ui/PageTop';
import { Empty, Failed, GhostRows } from '../../ui/states';
import { useUrl } from '../../ui/url';
import './dead-letters.css';
import { Decision } from './Decision';
import { Records } from './Records';
import { Runs } from './Runs';
import { concerns, share } from './runs';

type Shown = { status: LetterStatus; title: string; of: (group: DeadLetterGroup) => number };
const STATUSES: readonly Shown[] = [
  { status: 'waiting', title: 'Waiting', of: ({ waiting }) => waiting },
  { status: 'replaying', title: 'Replaying', of: ({ replaying }) => replaying },
  { status: 'replayed', title: 'Replayed', of: ({ replayed }) => replayed },
  { status: 'discarded', title: 'Discarded', of: (group) => group.count - group.waiting - group.replaying - group.replayed },
];
const KNOWN_SOURCES = new Set(['git', 'ci', 'logs', 'metrics', 'traces', 'manual']);

/** What could not be read, kept whole: looked at, mended, decoded again, or set aside. */
export default function DeadLetters() {
  const [params, patch] = useUrl();
  const { data, error, isPending, dataUpdatedAt, refetch } = useQuery(queries.deadLetterGroups());
  const { data: runs } = useQuery(queries.replayRuns());
  const connector = params.get('connector');
  const shown = STATUSES.find((one) => one.status === params.get('status')) ?? STATUSES[0]!;
  const total = (of: Shown['of']) => (data ?? []).reduce((sum, one) => sum + of(one), 0);
  // What is being replayed has left the waiting ones, but not the picture.
  const isShown = (group: DeadLetterGroup) => shown.of(group) > 0 || (shown.status === 'waiting' && group.replaying > 0);
  const groups = (data ?? []).filter((group) => (!connector || group.connector === connector) && isShown(group) && matches(group, params.get('q') ?? ''));
  const group = groups.find(({ fingerprint }) => fingerprint === params.get('group')) ?? groups[0];
  const ofConnector = groups.reduce((sum, { waiting }) => sum + waiting, 0);
  const move = (by: number) => {
    const at = group ? groups.indexOf(group) : -1;
    patch({ group: groups[Math.max(0, Math.min(groups.length - 1, at + by))]?.fingerprint, letter: null, edit: null, dry: null });
  };
  useActions('Dead letters', [
    { id: 'next-group', title: 'Next group', keys: ['j', 'ArrowDown'], quiet: true, run: () => move(1) },
    { id: 'previous-group', title: 'Previous group', keys: ['k', 'ArrowUp'], quiet: true, run: () => move(-1) },
    { id: 'search', title: 'Search the groups', keys: ['/'], run: () => document.querySelector<HTMLInputElement>('.dead-search input')?.focus() },
    ...(group ? [{ id: 'replay-connector', title: `Replay all that wait of ${group.connector}`, keys: ['shift+c'], run: () => patch({ ask: 'replay-connector' }) }] : []),
  ]);
  return (
    <main id="main" className="page dead">
      <PageTop title="Dead letters">{total(({ count: n }) => n) > 0 && <span className="dim mid">{count(total(({ count: n }) => n))} kept byte for byte</span>}</PageTop>
      <div>
        <div className="bar">
          <div className="seg" role="group" aria-label="Status">{STATUSES.filter(({ status, of }) => status !== 'replaying' || total(of) > 0 || shown.status === status).map(({ status, title, of }) => <button type="button" key={status} aria-pressed={shown.status === status} onClick={() => patch({ status: status === 'waiting' ? null : status, letter: null, edit: null, dry: null })}>{title}{data ? ` ${shortCount(total(of))}` : ''}</button>)}</div>
          <label className="search dead-search"><input type="search" aria-label="Search the groups" placeholder="error, connector, format" value={params.get('q') ?? ''} onChange={(event) => patch({ q: event.target.value })} /><Kbd keys="/" /></label>
          {connector && <button type="button" className="token" onClick={() => patch({ connector: null })}>connector:<b>{connector}</b> ×</button>}
          {connector && shown.status === 'waiting' && ofConnector > 1 && <button type="button" className="btn" onClick={() => patch({ ask: 'replay-connector' })}>Replay all {count(ofConnector)} <Kbd keys="shift+c" /></button>}
          <span className="row end wide" style={{ gap: 10 }}><Hint text="group" keys={['j', 'k']} /><Hint text="record" keys={['h', 'l']} /></span>
        </div>
        <Runs groups={data ?? []} />
        {error && <Failed error={error} what="The groups" shownSince={data ? dataUpdatedAt : undefined} retry={() => void refetch()} />}
      </div>
      {isPending && !error ? <GhostRows /> : groups.length && group ? (
        <div className="dead-body">
          <aside className="dead-groups" aria-label="Groups" tabIndex={0}>
            {groups.map((one) => <Group key={one.fingerprint} group={one} n={shown.of(one)} word={shown.title} runs={runs ?? []} current={one === group} choose={() => patch({ group: one.fingerprint, letter: null, edit: null, dry: null })} />)}
            <p className="dim small dead-note">{count(groups.length)} {groups.length === 1 ? 'group' : 'groups'}. A group holds what failed alike: same connector, same error, same format.</p>
          </aside>
          <Records key={group.fingerprint + shown.status} group={group} status={shown.status} />
        </div>
      ) : !error && (data?.length ? (
        <Empty title={params.get('q') || connector ? 'Nothing matches' : `None ${shown.status}`} center><span>Other letters are there under other filters.</span><button type="button" className="btn" onClick={() => patch({ connector: null, q: null, status: null })}>Show all that wait</button></Empty>
      ) : (
        <Empty title="Every record could be read" center>
          <span className="dead-what">A dead letter is a record that could not be read: cut, of an unknown format, or with a field that cannot be. It is never dropped: it comes here with every byte, its headers, its place in Kafka and the reason, and the records after it are read on.</span>
          <span className="dead-what">Here you look at it, mend it or the connector’s format, see what would come out, and decode it again; what can be read then is stored as if it had come that way.</span>
        </Empty>
      ))}
      {group && <Decision group={group} groups={groups} />}
    </main>
  );
}

const matches = ({ error_message, connector, format, error_class }: DeadLetterGroup, text: string) => [error_message, connector, format, error_class].join(' ').toLowerCase().includes(text.trim().toLowerCase());

/** `13:20–14:08`; one time when it is the same minute. */
function timesOf({ first_failed_at, last_failed_at }: DeadLetterGroup): string {
  const [first, last] = [clock(first_failed_at, false), clock(last_failed_at, false)];
  return first === last ? first : `${first}–${last}`;
}

function Group({ group, n, word, runs, current, choose }: { group: DeadLetterGroup; n: number; word: string; runs: readonly ReplayRun[]; current: boolean; choose: () => void }) {
  const run = group.replaying > 0 ? runs.find((one) => one.left > 0 && concerns(one, group)) : undefined;
  return (
    <button type="button" className="dead-group" aria-current={current ? 'true' : undefined} onClick={choose}>
      <span className="row">{KNOWN_SOURCES.has(group.connector) && <SourceIcon source={group.connector as Source} size={14} />}<span className="trunc grow dead-reason" title={group.error_message}>{group.error_message}</span><b>{shortCount(n || group.replaying)}</b></span>
      <span className="row small sec"><span className="mono trunc" title={`${group.connector}, ${group.format}`}>{group.connector}, {group.format}</span><span className="end">{timesOf(group)}</span>{group.replaying > 0 ? <b className="dead-going">Replaying{run ? ` ${Math.floor(share(run) * 100)} %` : ''}</b> : <span>{shortCount(n)} {word.toLowerCase()}</span>}</span>
    </button>
  );
}
