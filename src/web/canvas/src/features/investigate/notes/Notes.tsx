import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Suspense, lazy, useCallback, useEffect, useRef, useState, type RefObject } from 'react';
import { Problem, explain } from '../../../api/client';
import { commands } from '../../../api/commands';
import { queries } from '../../../api/queries';
import type { Note } from '../../../api/types';
import { clock } from '../../../ui/format';
import { Kbd } from '../../../ui/Kbd';
import { Avatar } from '../../../ui/marks';
import { Failed } from '../../../ui/states';
import { say } from '../../../ui/toasts';
import type { Span } from '../timeline/model';
import { keepDraft, readDraft, type Draft } from './draft';

const Markdown = lazy(() => import('./Markdown'));

const RETRY_MS = 5_000;
const CHARS_MAX = 20_000;

interface Props {
  id: string;
  at: string | null;
  eventId: string | null;
  composer: RefObject<HTMLTextAreaElement | null>;
  lookAt: (time: string) => void;
  brush: Span | null;
}

export function Notes({ id, at, eventId, composer, lookAt, brush }: Props) {
  const { data, error, refetch, dataUpdatedAt } = useQuery(queries.notes(id));
  const all = [...(data ?? [])].sort((a, b) => Date.parse(a.created_at) - Date.parse(b.created_at));
  const within = ({ at: about, created_at }: Note) => !brush || (Date.parse(about ?? created_at) >= brush.from && Date.parse(about ?? created_at) <= brush.to);
  const notes = all.filter(within);
  const list = useRef<HTMLUListElement>(null);
  useEffect(() => {
    if (list.current) list.current.scrollTop = list.current.scrollHeight;
  }, [notes.length]);
  return (
    <section className="pane notes" aria-label="Notes">
      <div className="pane-head"><h2>Notes</h2><span className="note">{!data ? '' : notes.length < all.length ? `${notes.length} of ${all.length}, in the brush` : all.length}</span></div>
      {error && <Failed error={error} what="The notes" shownSince={data ? dataUpdatedAt : undefined} retry={() => void refetch()} />}
      {notes.length > 0 && <ul className="note-list" ref={list} tabIndex={0} aria-label="Notes, oldest first">{notes.map((note, index) => <OneNote key={note.id} note={note} last={index === notes.length - 1} lookAt={lookAt} />)}</ul>}
      <Composer id={id} at={at} eventId={eventId} composer={composer} />
    </section>
  );
}

function OneNote({ note, last, lookAt }: { note: Note; last: boolean; lookAt: (time: string) => void }) {
  const client = useQueryClient();
  const time = note.at ?? note.created_at;
  const remove = async () => {
    try {
      await commands.deleteNote(note.investigation_id, note.id);
      say('Note deleted', { undo: () => void commands.addNote(note.investigation_id, { body: note.body, at: note.at ?? note.created_at, event_id: note.event_id }).catch((error: unknown) => say(`Not restored: ${explain(error)}`, { bad: true })).then(() => client.invalidateQueries({ queryKey: ['notes', note.investigation_id] })) });
    } catch (error) {
      say(`Not deleted: ${explain(error)}`, { bad: true });
    }
    void client.invalidateQueries({ queryKey: ['notes', note.investigation_id] });
  };
  return (
    <li className={`note-row ${last ? 'last' : ''}`}>
      <button type="button" className="link note-time" onClick={() => lookAt(time)} title={`Look at ${time}`}>{clock(time, false)}</button>
      <Avatar name={note.author} />
      <div className="note-body"><Suspense fallback={note.body}><Markdown text={note.body} /></Suspense></div>
      <button type="button" className="note-delete" aria-label={`Delete the note of ${clock(time)}`} onClick={() => void remove()}>×</button>
    </li>
  );
}

/** Typed text is kept in this browser with every letter, and sent again until the server has it. */
function Composer({ id, at, eventId, composer }: Omit<Props, 'lookAt' | 'brush'>) {
  const client = useQueryClient();
  const [draft, setDraft] = useState<Draft>(() => readDraft(id) ?? { body: '', at: null, event_id: null });
  const [state, setState] = useState<'idle' | 'kept' | 'sending' | 'waiting' | 'refused'>(draft.body ? 'kept' : 'idle');
  const [why, setWhy] = useState('');
  const latest = useRef(draft);
  latest.current = draft;
  const write = (body: string) => {
    const next = { body, at: draft.at ?? at, event_id: draft.event_id ?? eventId };
    setDraft(next);
    setState(body ? (keepDraft(id, next) ? 'kept' : 'idle') : 'idle');
    if (!body) keepDraft(id, null);
  };
  const send = useCallback(async () => {
    const note = latest.current;
    if (!note.body.trim()) return;
    setState('sending');
    try {
      await commands.addNote(id, { ...note, body: note.body.trim() });
      // What was typed while it was sent stays.
      const rest = latest.current.body === note.body ? '' : latest.current.body;
      const next = { body: rest, at: null, event_id: null };
      setDraft(next);
      keepDraft(id, rest ? next : null);
      setState(rest ? 'kept' : 'idle');
      void client.invalidateQueries({ queryKey: ['notes', id] });
    } catch (error) {
      const refused = error instanceof Problem && error.status >= 400 && error.status < 500 && error.status !== 429;
      setWhy(explain(error));
      setState(refused ? 'refused' : 'waiting');
    }
  }, [client, id]);
  useEffect(() => {
    if (state !== 'waiting') return undefined;
    const timer = setTimeout(() => void send(), RETRY_MS);
    return () => clearTimeout(timer);
  }, [state, send]);
  const said = { idle: '', kept: 'kept in this browser', sending: 'sending…', waiting: 'Kept in this browser, sending again in 5 s', refused: `Not taken: ${why}` }[state];
  const when = draft.at ?? at;
  return (
    <div className="composer">
      <textarea ref={composer} aria-label="New note, Markdown" rows={1} maxLength={CHARS_MAX} value={draft.body} placeholder={when ? `Note at ${clock(when)}` : 'Note'} onChange={(event) => write(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === 'Enter' && !event.shiftKey) {
            event.preventDefault();
            void send();
          }
          if (event.key === 'Escape') event.currentTarget.blur();
        }} />
      <span className={`composer-state ${state}`} role="status" title={said}>{said}</span>
      {draft.body ? <button type="button" className="btn small primary" disabled={state === 'sending'} onClick={() => void send()}>Save <Kbd keys="Enter" /></button> : <Kbd keys="c" />}
    </div>
  );
}
