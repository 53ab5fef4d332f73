import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { commands } from '../../api/commands';
import { queries } from '../../api/queries';
import type { DeadLetter, DeadLetterGroup, LetterStatus } from '../../api/types';
import { useActions } from '../../ui/actions';
import { bytes as bytesText, clock, count } from '../../ui/format';
import { Kbd } from '../../ui/Kbd';
import { Empty, Failed, GhostRows } from '../../ui/states';
import { useUrl } from '../../ui/url';
import { bytesOf, textOf } from './bytes';
import { begin, differs, drafts, type Draft } from './draft';
import { DryRun } from './DryRun';
import { Editor } from './Editor';
import { Letter, type LetterView } from './Letter';
import { useDecide } from './useDecide';

const VIEWS: readonly LetterView[] = ['pretty', 'raw', 'hex'];

/** The list holds values up to this length whole. */
const LISTED_BYTES = 1_024;

/** The records of a group, one at a time. */
export function Records({ group, status }: { group: DeadLetterGroup; status: LetterStatus }) {
  const [params, patch] = useUrl();
  const list = useInfiniteQuery(queries.deadLetters(group.fingerprint, status));
  const letters = list.data?.pages.flatMap((page) => page.items) ?? [];
  const wanted = params.get('letter');
  const at = letters.findIndex(({ id }) => id === wanted);
  const id = wanted ?? letters[0]?.id;
  const go = (to: number) => {
    if (to >= letters.length - 5 && list.hasNextPage && !list.isFetchingNextPage) void list.fetchNextPage();
    if (letters[to]) patch({ letter: letters[to]?.id, edit: null, dry: null });
  };
  const [here, total] = [Math.max(0, at), list.data?.pages[0]?.total ?? 0];
  useActions('Dead letters', [
    { id: 'next-record', title: 'Next record', keys: ['l', 'ArrowRight'], quiet: true, run: () => go(here + 1) },
    { id: 'previous-record', title: 'Previous record', keys: ['h', 'ArrowLeft'], quiet: true, run: () => go(Math.max(0, here - 1)) },
    ...(group.waiting > 0 && status === 'waiting' ? [
      { id: 'replay-group', title: 'Replay the group', keys: ['shift+r'], run: () => patch({ ask: 'replay-group' }) },
      { id: 'discard-group', title: 'Discard the group', keys: ['shift+d'], run: () => patch({ ask: 'discard-group' }) },
    ] : []),
  ]);
  const steps = at < 0 && wanted ? null : (
    <span className="row end">
      <span className="sec dead-count">record <b>{count(here + 1)}</b> of {count(total)}</span>
      <button type="button" className="btn small" onClick={() => go(here - 1)} disabled={here === 0} aria-label="Previous record">‹</button><button type="button" className="btn small" onClick={() => go(here + 1)} disabled={here + 1 >= letters.length && !list.hasNextPage} aria-label="Next record">›</button>
    </span>
  );
  return (
    <section className="dead-detail" aria-label="Group">
      <div className="dead-head">
        <div className="row dead-title-row"><h2 className="dead-title grow" title={group.error_message}>{group.error_message}</h2>
          {status === 'waiting' && group.waiting > 1 && <><button type="button" className="btn" onClick={() => patch({ ask: 'replay-group' })}>Replay all {count(group.waiting)} <Kbd keys="shift+r" /></button><button type="button" className="btn" onClick={() => patch({ ask: 'discard-group' })}>Discard all <Kbd keys="shift+d" /></button></>}</div>
        <p className="sec">{count(group.count)} {group.count === 1 ? 'record' : 'records'} of <span className="mono">{group.connector}</span>, {bytesText(group.bytes)}, {group.count === 1 ? 'failed' : 'fail alike'} since {clock(group.first_failed_at)}.</p>
      </div>
      {list.error ? <Failed error={list.error} what="The records" retry={() => void list.refetch()} /> : list.isPending ? <GhostRows rows={4} /> : id ? <One key={id} id={id} seed={letters.find((one) => one.id === id)} steps={steps} /> : <Empty title={`None ${status}`}><span>{group.replaying > 0 ? 'All of this group are being decoded again.' : 'Letters of this group stand under another status.'}</span></Empty>}
    </section>
  );
}

/** One record. The list holds only the beginning of a long value: the whole is read by itself. */
function One({ id, seed, steps }: { id: string; seed: DeadLetter | undefined; steps: React.ReactNode }) {
  const [params, patch] = useUrl();
  const decide = useDecide();
  const { data: letter, error, refetch } = useQuery(queries.deadLetter(id));
  const [revealed, setRevealed] = useState<DeadLetter | null>(null);
  const [draft, setDraft] = useState<Draft | null>(() => drafts.read(id));
  // What the list holds of a short one is all there is of it.
  const known = letter?.id === id ? letter : seed && seed.value_bytes <= LISTED_BYTES ? seed : undefined;
  // Its bytes are those it came with; all else may have changed since.
  const ready = known && revealed ? { ...known, payload: revealed.payload, key_base64: revealed.key_base64, value_base64: revealed.value_base64, value_text: revealed.value_text, headers: revealed.headers } : known;
  const hidden = ready?.payload === 'hidden';
  const reveal = () => void commands.reveal(id).then(setRevealed);
  const editing = params.get('edit') === '1' && ready?.status === 'waiting' && !hidden;
  useEffect(() => {
    if (editing && ready && !draft) setDraft(begin(ready.value_base64));
  }, [editing, ready, draft]);
  const keep = (next: Draft | null) => {
    setDraft(next);
    drafts.write(id, next && ready && differs(next, ready.value_base64) ? next : null);
  };
  const bytes = bytesOf(ready?.value_base64 ?? null);
  // Bytes that are no text are shown as bytes.
  const view = VIEWS.find((one) => one === params.get('view')) ?? (ready && ready.value_base64 !== null && textOf(bytes) === null ? 'hex' : 'pretty');
  const waiting = ready?.status === 'waiting';
  useActions('Dead letters', [
    { id: 'view', title: 'Pretty, raw, hex', keys: ['v'], run: () => patch({ view: VIEWS[(VIEWS.indexOf(view) + 1) % VIEWS.length] }) },
    ...(hidden ? [{ id: 'reveal', title: 'Show its bytes', keys: ['b'], run: reveal }] : []),
    ...(waiting ? [
      ...(hidden ? [] : [{ id: 'edit', title: editing ? 'End editing' : 'Edit this record', keys: ['e'], run: () => patch({ edit: editing ? null : '1' }) }]),
      { id: 'dry-run', title: 'Dry run: what would come out', keys: ['t', 'mod+Enter'], run: () => patch({ dry: '1' }) },
      { id: 'replay', title: 'Replay this record', keys: ['r'], run: () => patch({ letter: id, ask: 'replay' }) },
      { id: 'discard', title: 'Discard this record', keys: ['shift+Delete', 'shift+Backspace'], run: () => patch({ letter: id, ask: 'discard' }) },
    ] : []),
    ...(ready?.status === 'discarded' ? [{ id: 'restore', title: 'Put this record back', keys: ['u'], run: () => void decide('Put back', () => commands.restoreLetter(id)) }] : []),
  ]);
  if (error && !ready) return <Failed error={error} what="The record" retry={() => void refetch()} />;
  if (!ready) return <GhostRows rows={4} />;
  return (
    <>
      <div className="row small dead-tools">
        <div className="seg" role="group" aria-label="View">{VIEWS.map((one) => <button type="button" key={one} aria-pressed={view === one} onClick={() => patch({ view: one })}>{one.charAt(0).toUpperCase() + one.slice(1)}</button>)}</div><span className="mid"><Kbd keys="v" /></span>
        {hidden && <button type="button" className="btn small" onClick={reveal}>Show its bytes <Kbd keys="b" /></button>}
        {waiting && !hidden && <button type="button" className="btn small" aria-pressed={editing} onClick={() => patch({ edit: editing ? null : '1' })}>{editing ? 'End editing' : draft ? 'Go on editing' : 'Edit'} <Kbd keys="e" /></button>}
        {steps ?? <button type="button" className="link end" onClick={() => patch({ letter: null })}>to the records of the group</button>}
      </div>
      <div className="dead-scroll" tabIndex={0} role="region" aria-label="Record">
        <div className={editing && draft ? 'letter-two' : ''}>
          <Letter letter={ready} bytes={bytes} view={view} />
          {editing && draft && <Editor draft={draft} differs={differs(draft, ready.value_base64)} change={keep} reset={() => keep(begin(ready.value_base64))} done={() => patch({ edit: null })} />}
        </div>
      </div>
      {waiting ? <DryRun letter={ready} draft={draft} asked={params.get('dry') === '1'} /> : ready.status === 'discarded' ? (
        <div className="dead-desk"><p className="grow">Discarded: {ready.discard_reason ?? 'no reason was kept'}. Its bytes stay.</p><button type="button" className="btn" onClick={() => void decide('Put back', () => commands.restoreLetter(id))}>Put back <Kbd keys="u" /></button></div>
      ) : null}
    </>
  );
}
