import { useInfiniteQuery, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { explain } from '../../api/client';
import { commands } from '../../api/commands';
import { queries } from '../../api/queries';
import type { DeadLetterGroup, LetterStatus, Source } from '../../api/types';
import { useActions } from '../../ui/actions';
import { bytes as bytesText, clock, count, shortCount } from '../../ui/format';
import { Hint, Kbd } from '../../ui/Kbd';
import { SourceIcon } from '../../ui/marks';
import { PageTop } from '../../ui/PageTop';
import { Empty, Failed, GhostRows } from '../../ui/states';
import { say } from '../../ui/toasts';
import { useUrl } from '../../ui/url';
import './dead-letters.css';
import { DiscardDialog } from './DiscardDialog';
import { Letter, type LetterView } from './Letter';

const STATUSES: readonly { status: LetterStatus; title: string }[] = [{ status: 'waiting', title: 'Waiting' }, { status: 'replayed', title: 'Replayed' }, { status: 'discarded', title: 'Discarded' }];
const VIEWS: readonly LetterView[] = ['pretty', 'raw', 'hex'];
const KNOWN_SOURCES = new Set(['git', 'ci', 'logs', 'metrics', 'traces', 'manual']);

/** What could not be read, kept whole. */
export default function DeadLetters() {
  const [params, patch] = useUrl();
  const { data, error, isPending, dataUpdatedAt, refetch } = useQuery(queries.deadLetterGroups());
  const connector = params.get('connector');
  const status = (STATUSES.find((one) => one.status === params.get('status')) ?? { status: 'waiting' as const }).status;
  const groups = (data ?? []).filter((group) => (!connector || group.connector === connector) && (status !== 'waiting' || group.waiting > 0) && matches(group, params.get('q') ?? ''));
  const group = groups.find(({ fingerprint }) => fingerprint === params.get('group')) ?? groups[0];
  const move = (by: number) => {
    const at = group ? groups.indexOf(group) : -1;
    patch({ group: groups[Math.max(0, Math.min(groups.length - 1, at + by))]?.fingerprint, letter: null });
  };
  useActions('Dead letters', [
    { id: 'next-group', title: 'Next group', keys: ['j', 'ArrowDown'], quiet: true, run: () => move(1) },
    { id: 'previous-group', title: 'Previous group', keys: ['k', 'ArrowUp'], quiet: true, run: () => move(-1) },
    { id: 'search', title: 'Search the groups', keys: ['/'], run: () => document.querySelector<HTMLInputElement>('.dead-search input')?.focus() },
  ]);
  const total = (data ?? []).reduce((sum, one) => sum + one.count, 0);
  const waiting = (data ?? []).reduce((sum, one) => sum + one.waiting, 0);
  return (
    <main id="main" className="page dead">
      <PageTop title="Dead letters">{total > 0 && <span className="dim mid">{count(total)} kept byte for byte</span>}</PageTop>
      <div className="bar">
        <div className="seg" role="group" aria-label="Status">{STATUSES.map(({ status: one, title }) => <button type="button" key={one} aria-pressed={status === one} onClick={() => patch({ status: one === 'waiting' ? null : one, letter: null })}>{title}{one === 'waiting' && data ? ` ${count(waiting)}` : ''}</button>)}</div>
        <label className="search dead-search" style={{ width: 300 }}><input type="search" aria-label="Search the groups" placeholder="error, connector, format" value={params.get('q') ?? ''} onChange={(event) => patch({ q: event.target.value })} /><Kbd keys="/" /></label>
        {connector && <button type="button" className="token" onClick={() => patch({ connector: null })}>connector:<b>{connector}</b> ×</button>}
        <span className="row end wide" style={{ gap: 10 }}><Hint text="group" keys={['j', 'k']} /><Hint text="record" keys={['h', 'l']} /><Hint text="view" keys={['v']} /></span>
      </div>
      {error && <Failed error={error} what="The groups" shownSince={data ? dataUpdatedAt : undefined} retry={() => void refetch()} />}
      {isPending && !error ? <GhostRows /> : groups.length && group ? (
        <div className="dead-body">
          <aside className="dead-groups" aria-label="Groups" tabIndex={0}>
            {groups.map((one) => <Group key={one.fingerprint} group={one} current={one === group} choose={() => patch({ group: one.fingerprint, letter: null })} />)}
            <p className="dim small dead-note">{count(groups.length)} {groups.length === 1 ? 'group' : 'groups'}. A group holds what failed alike: same connector, same error, same format.</p>
          </aside>
          <Records key={group.fingerprint + status} group={group} status={status} />
        </div>
      ) : !error && <Empty title={data?.length ? 'Nothing matches' : 'Every record could be read'} center><span>{data?.length ? 'Other groups are there under other filters.' : 'What cannot be read comes here, whole, with its reason and its position.'}</span>{connector && <button type="button" className="btn" onClick={() => patch({ connector: null, q: null, status: null })}>Show all</button>}</Empty>}
    </main>
  );
}

const matches = ({ error_message, connector, format, error_class }: DeadLetterGroup, text: string) => [error_message, connector, format, error_class].join(' ').toLowerCase().includes(text.trim().toLowerCase());

/** `13:20–14:08`; one time when it is the same minute. */
function timesOf({ first_failed_at, last_failed_at }: DeadLetterGroup): string {
  const [first, last] = [clock(first_failed_at, false), clock(last_failed_at, false)];
  return first === last ? first : `${first}–${last}`;
}

function Group({ group, current, choose }: { group: DeadLetterGroup; current: boolean; choose: () => void }) {
  return (
    <button type="button" className="dead-group" aria-current={current ? 'true' : undefined} onClick={choose}>
      <span className="row">{KNOWN_SOURCES.has(group.connector) && <SourceIcon source={group.connector as Source} size={14} />}<span className="trunc grow dead-reason" title={group.error_message}>{group.error_message}</span><b>{shortCount(group.count)}</b></span>
      <span className="row small sec"><span className="mono trunc" title={`${group.connector}, ${group.format}`}>{group.connector}, {group.format}</span><span className="end">{timesOf(group)}</span><span>{group.waiting ? `${shortCount(group.waiting)} waiting` : 'none waiting'}</span></span>
    </button>
  );
}

function Records({ group, status }: { group: DeadLetterGroup; status: LetterStatus }) {
  const client = useQueryClient();
  const [params, patch] = useUrl();
  const [asking, setAsking] = useState(0);
  const list = useInfiniteQuery(queries.deadLetters(group.fingerprint, status));
  const letters = list.data?.pages.flatMap((page) => page.items) ?? [];
  const total = list.data?.pages[0]?.total ?? 0;
  const wanted = params.get('letter');
  const at = Math.max(0, letters.findIndex(({ id }) => id === wanted));
  const letter = letters[at];
  // Bytes that are no text are shown as bytes.
  const view = VIEWS.find((one) => one === params.get('view')) ?? (letter && letter.value_text === null && letter.value_base64 !== null ? 'hex' : 'pretty');
  const move = (by: number) => {
    const next = Math.max(0, at + by);
    if (next >= letters.length - 5 && list.hasNextPage && !list.isFetchingNextPage) void list.fetchNextPage();
    if (letters[next]) patch({ letter: letters[next]?.id });
  };
  const cycle = () => patch({ view: VIEWS[(VIEWS.indexOf(view) + 1) % VIEWS.length] });
  const discard = async (reason: string) => {
    const targets = asking === 1 && letter ? [letter] : letters.filter(({ status: one }) => one === 'waiting');
    setAsking(0);
    const results = await Promise.allSettled(targets.map(({ id }) => commands.discard(id, reason)));
    const failed = results.find((result) => result.status === 'rejected');
    const done = results.filter((result) => result.status === 'fulfilled').length;
    if (done) say(`${count(done)} discarded: ${reason}`);
    if (failed) say(`${count(results.length - done)} not discarded: ${explain(failed.reason)}`, { bad: true });
    void client.invalidateQueries({ queryKey: ['dead-letters'] });
  };
  useActions('Dead letters', [
    { id: 'next-record', title: 'Next record', keys: ['l', 'ArrowRight'], quiet: true, run: () => move(1) },
    { id: 'previous-record', title: 'Previous record', keys: ['h', 'ArrowLeft'], quiet: true, run: () => move(-1) },
    { id: 'view', title: 'Pretty, raw, hex', keys: ['v'], run: cycle },
    ...(status === 'waiting' && letter ? [{ id: 'discard', title: 'Discard this letter', keys: ['shift+Delete', 'shift+Backspace'], run: () => setAsking(1) }] : []),
  ]);
  return (
    <section className="dead-detail" aria-label="Group">
      <div className="dead-head">
        <div className="row"><h2 className="dead-title grow">{group.error_message}</h2>
          {status === 'waiting' && letter && <><button type="button" className="btn" onClick={() => setAsking(1)}>Discard <Kbd keys="shift+Delete" /></button>{letters.length > 1 && <button type="button" className="btn wide" onClick={() => setAsking(letters.length)}>Discard {count(letters.length)} loaded</button>}</>}</div>
        <p className="sec">{count(group.count)} {group.count === 1 ? 'record' : 'records'} of <span className="mono">{group.connector}</span>, {bytesText(group.bytes)}, {group.count === 1 ? 'failed' : 'fail alike'} since {clock(group.first_failed_at)}.</p>
        <div className="row small dead-tools">
          <div className="seg" role="group" aria-label="View">{VIEWS.map((one) => <button type="button" key={one} aria-pressed={view === one} onClick={() => patch({ view: one })}>{one.charAt(0).toUpperCase() + one.slice(1)}</button>)}</div><span className="mid"><Kbd keys="v" /></span>
          {letter && <><span className="sec end">record <b>{count(at + 1)}</b> of {count(total)}</span><span className="mono dim mid">{letter.topic} / {letter.partition} / {letter.offset}</span>
            <button type="button" className="btn small" onClick={() => move(-1)} disabled={at === 0} aria-label="Previous record">‹</button><button type="button" className="btn small" onClick={() => move(1)} disabled={at + 1 >= letters.length && !list.hasNextPage} aria-label="Next record">›</button></>}
        </div>
      </div>
      {list.error ? <Failed error={list.error} what="The records" retry={() => void list.refetch()} /> : list.isPending ? <GhostRows rows={4} /> : letter ? <div className="dead-scroll"><Letter letter={letter} view={view} /></div> : <Empty title={`None ${status}`} />}
      <DiscardDialog letters={asking} close={() => setAsking(0)} discard={(reason) => void discard(reason)} />
    </section>
  );
}
