import { useQueryClient } from '@tanstack/react-query';
import { useMantineColorScheme } from '@mantine/core';
import { useCallback, useMemo, useRef, useState } from 'react';
import { useLocation } from 'wouter';
import { explain } from '../../api/client';
import { commands } from '../../api/commands';
import { useEventNow } from '../../api/live';
import { queries } from '../../api/queries';
import type { Investigation, Lane, Mark, Note, Suspect, Verdict } from '../../api/types';
import { useActions } from '../../ui/actions';
import { shortId } from '../../ui/format';
import { save } from '../../ui/save';
import { say } from '../../ui/toasts';
import { useUrl } from '../../ui/url';
import type { HeadMenu } from './head/Head';
import { headHighlights } from './head/sentence';
import { usePatch } from './head/usePatch';
import { report } from './report';
import { proofOf, strongestSign, suspectGroups } from './suspects/ranking';
import { nextChange } from './timeline/marks';
import { around, defaultSpan, leadingChange, parseSpan, zoomed, type Span } from './timeline/model';
import { useView } from './useView';

/** State and actions of the page; everything that can be shared is in the address. */
export function useInvestigation(investigation: Investigation) {
  const client = useQueryClient();
  const [params, patchUrl] = useUrl();
  const [, go] = useLocation();
  const { findings } = investigation;
  const { colorScheme } = useMantineColorScheme();
  const dark = colorScheme === 'dark' || (colorScheme === 'auto' && matchMedia('(prefers-color-scheme: dark)').matches);
  const now = Math.max(useEventNowIfRunning(investigation), Date.parse(findings?.updated_at ?? investigation.started_at));
  const suspects = useMemo(() => suspectGroups(findings?.suspects ?? []).flatMap((group) => group.suspects), [findings]);
  const suspect = suspects.find(({ id }) => id === params.get('suspect')) ?? suspects[0] ?? null;
  const lead = leadingChange(suspects, suspect);
  const change = lead?.at ? { at: Date.parse(lead.at), name: shortName(lead.entity) } : null;
  const onset = findings ? Date.parse(findings.started_at) : null;
  const origin = suspects.find(({ kind }) => kind === 'service')?.service ?? findings?.hot_services[0] ?? null;
  const firstChange = useMemo(() => Date.parse(leadingChange(suspects, null)?.at ?? ''), [suspects]);
  const follow = useMemo(() => defaultSpan(findings, investigation.started_at, investigation.updated_at, Number.isFinite(firstChange) ? firstChange : null), [findings, investigation.started_at, investigation.updated_at, firstChange]);
  const [viewNow, setView] = useView(params, patchUrl, follow);
  const view = viewNow ?? follow;
  const brush = useMemo(() => parseSpan(params.get('b0'), params.get('b1')), [params]);
  const setBrush = useCallback((span: Span | null) => patchUrl({ b0: span && new Date(span.from).toISOString(), b1: span && new Date(span.to).toISOString() }), [patchUrl]);
  const [menu, setMenu] = useState<HeadMenu>(null);
  const [resolving, setResolving] = useState(false);
  const composer = useRef<HTMLTextAreaElement>(null);
  const graphPane = useRef<HTMLElement>(null);
  const eventPane = useRef<HTMLDivElement>(null);
  const movedPane = useRef<HTMLElement>(null);
  // The strongest sign when the page opened: it stays while one reads it.
  const sign = useRef<string | null>(null);
  sign.current ??= findings ? strongestSign(findings, origin) : null;
  const eventId = params.get('event') ?? sign.current;
  const lanes = useRef<{ inView: readonly Lane[]; whole: readonly Lane[] }>({ inView: [], whole: [] });
  const lanesRead = useCallback((read: readonly Lane[], whole: boolean) => void (lanes.current[whole ? 'whole' : 'inView'] = read), []);
  const writes = usePatch(investigation);

  const pickEvent = useCallback((event: string | null, at?: string) => {
    patchUrl({ event, tab: null, drawer: '1' });
    if (at) setView(around(view, Date.parse(at)));
  }, [patchUrl, setView, view]);
  const prove = (one: Suspect) => {
    if (!findings) return;
    const proof = proofOf(one, findings);
    patchUrl({ suspect: one.id, event: proof.eventId, service: proof.service, tab: null, b0: new Date(proof.from).toISOString(), b1: new Date(proof.to).toISOString() });
    setViewIfNeeded(view, proof, setView);
  };
  const judge = async (one: Suspect, verdict: Verdict) => {
    const before = one.verdict;
    const set = async (next: Verdict) => {
      await commands.verdict(investigation.id, one.id, next);
      await client.invalidateQueries({ queryKey: ['investigation', investigation.id] });
    };
    try {
      await set(verdict);
      say(verdict === 'suspect' ? `${one.entity}: verdict taken back` : `${one.entity} ${verdict}`, { undo: () => void set(before).catch((error: unknown) => say(`Not saved: ${explain(error)}`, { bad: true })) });
    } catch (error) {
      say(`Not saved: ${explain(error)}`, { bad: true });
    }
  };
  const step = (by: number) => {
    const at = suspect ? suspects.indexOf(suspect) : -1;
    const next = suspects[Math.max(0, Math.min(suspects.length - 1, at + by))];
    if (next) patchUrl({ suspect: next.id });
  };
  const jump = (direction: 1 | -1) => {
    const all = [...lanes.current.inView, ...lanes.current.whole];
    const current = all.flatMap(({ marks }) => marks).find(({ event_id }) => event_id !== null && event_id === eventId);
    const mark = nextChange(all, current ? Date.parse(current.at) : direction > 0 ? view.from : view.to, direction);
    if (mark) pickEvent(mark.event_id, mark.at);
  };
  const ends = {
    resolve: () => setResolving(true), falseAlarm: () => writes.close('false_alarm'), mute: () => writes.close('false_alarm', 7), duplicate: () => writes.close('duplicate'), reopen: writes.reopen,
  };
  const showDiff = () => {
    const event = (suspect?.kind === 'change' ? suspect : lead)?.event_id;
    if (event) pickEvent(event);
  };
  const showEvent = () => {
    if (!eventPane.current?.checkVisibility() || params.get('drawer')) toggle('drawer');
    eventPane.current?.querySelector<HTMLElement>('[role=tabpanel]')?.focus();
  };
  const exportReport = () => {
    const notes = client.getQueryData<Note[]>(queries.notes(investigation.id).queryKey) ?? [];
    save(`${shortId(investigation.id)}.md`, report(investigation, notes, location.href));
    say('Saved as Markdown');
  };
  const tag = (name: string, on: boolean) => {
    setMenu(null);
    writes.patch({ tags: on ? [...investigation.tags, name] : investigation.tags.filter((one) => one !== name) });
  };
  const toggle = (name: string) => patchUrl({ [name]: params.get(name) === '1' ? null : '1' });

  useActions('Investigation', [
    { id: 'next-suspect', title: 'Next suspect', keys: ['j', 'ArrowDown'], quiet: true, run: () => step(1) },
    { id: 'previous-suspect', title: 'Previous suspect', keys: ['k', 'ArrowUp'], quiet: true, run: () => step(-1) },
    { id: 'proof', title: 'Show proof', keys: ['Enter'], run: () => suspect && prove(suspect) },
    { id: 'confirm', title: 'Confirm the suspect', keys: ['y'], run: () => suspect && void judge(suspect, suspect.verdict === 'confirmed' ? 'suspect' : 'confirmed') },
    { id: 'refute', title: 'Refute the suspect', keys: ['n'], run: () => suspect && void judge(suspect, suspect.verdict === 'refuted' ? 'suspect' : 'refuted') },
    { id: 'change-before', title: 'Previous change', keys: ['['], run: () => jump(-1) },
    { id: 'change-after', title: 'Next change', keys: [']'], run: () => jump(1) },
    { id: 'zoom-in', title: 'Zoom in', keys: ['+', '='], run: () => setView(zoomed(view, 0.6)) },
    { id: 'zoom-out', title: 'Zoom out', keys: ['-'], run: () => setView(zoomed(view, 1.6)) },
    { id: 'left', title: 'Earlier', keys: ['ArrowLeft'], quiet: true, run: () => setView(shifted(view, -0.2)) },
    { id: 'right', title: 'Later', keys: ['ArrowRight'], quiet: true, run: () => setView(shifted(view, 0.2)) },
    { id: 'whole', title: 'Show the whole incident', keys: ['0'], run: () => patchUrl({ from: null, to: null }) },
    { id: 'brush', title: 'Brush the onset', keys: ['b'], run: () => (brush ? setBrush(null) : onset !== null && setBrush({ from: onset - 40_000, to: onset + 80_000 })) },
    { id: 'clock', title: 'Event time or seen time', keys: ['w'], run: () => patchUrl({ clock: params.get('clock') === 'seen' ? null : 'seen' }) },
    { id: 'table', title: 'Timeline as a table', keys: ['t'], run: () => toggle('t') },
    { id: 'graph', title: 'To the graph', keys: ['g g'], run: () => graphPane.current?.focus() },
    { id: 'graph-table', title: 'Graph as a table', keys: ['shift+g'], run: () => toggle('gt') },
    { id: 'moved', title: 'To the metrics that moved', keys: ['m'], run: () => movedPane.current?.focus() },
    { id: 'moved-table', title: 'Metrics as a table', keys: ['shift+m'], run: () => toggle('mt') },
    { id: 'event', title: 'To the event', keys: ['e'], run: showEvent },
    { id: 'diff', title: 'Show what the change changed', keys: ['d'], run: showDiff },
    { id: 'note', title: 'Write a note', keys: ['c'], run: () => composer.current?.focus() },
    { id: 'status', title: 'Set the status', keys: ['s'], run: () => setMenu('status') },
    { id: 'priority', title: 'Set the priority', keys: ['p'], run: () => setMenu('priority') },
    { id: 'assign', title: 'Assign', keys: ['a'], run: () => setMenu('assign') },
    { id: 'tag', title: 'Tag', keys: ['l'], run: () => setMenu('tag') },
    { id: 'false-alarm', title: 'Close as false alarm', keys: ['f'], run: ends.falseAlarm },
    { id: 'mute', title: 'False alarm: mute what opened it for 7 days', keys: ['shift+f'], run: ends.mute },
    { id: 'duplicate', title: 'Close as duplicate', keys: ['shift+d'], run: ends.duplicate },
    { id: 'export', title: 'Save as Markdown', keys: ['shift+e'], run: exportReport },
    { id: 'back', title: 'Back', keys: ['Escape'], quiet: true, run: () => (writes.conflict ? writes.settle(false) : brush ? setBrush(null) : params.get('drawer') ? patchUrl({ drawer: null }) : go('/investigations')) },
  ]);

  return {
    params, patchUrl, view, setView, brush, setBrush, change, onset, suspect, now, dark, menu, setMenu, resolving, setResolving, composer, graphPane, eventPane, movedPane, lanesRead, eventId, showDiff, tag, origin, prove, judge, pickEvent,
    patch: writes.patch, conflict: writes.conflict, settle: writes.settle, resolve: writes.resolve, ends,
    highlights: headHighlights(investigation, { prove, lead, onset, lookAt: (span) => setViewIfNeeded(view, span, setView), focus: (service) => patchUrl({ service }) }),
    seen: params.get('clock') === 'seen', setSeen: (seen: boolean) => patchUrl({ clock: seen ? 'seen' : null }),
    pickMark: (mark: Mark) => (mark.event_id ? pickEvent(mark.event_id) : setBrush({ from: Date.parse(mark.at) - 30_000, to: Date.parse(mark.at) + 30_000 })),
    lookAt: (time: string) => setView(around(view, Date.parse(time))),
    changeAt: lead?.service && change ? { service: lead.service, name: change.name } : null,
    noteAt: brush && (onset === null || onset < brush.from || onset > brush.to) ? new Date(brush.from).toISOString() : (findings?.started_at ?? null),
    causeDraft: investigation.root_cause ?? causeDraft(suspects),
  };
}

/** Event time "now" for one that is still going on; its last news for one that ended. */
function useEventNowIfRunning(investigation: Investigation): number {
  const live = useEventNow();
  const over = investigation.status === 'resolved' || investigation.status === 'closed';
  return over ? Date.parse(investigation.findings?.updated_at ?? investigation.updated_at) : live;
}

const shifted = (span: Span, share: number): Span => ({ from: span.from + (span.to - span.from) * share, to: span.to + (span.to - span.from) * share });

function setViewIfNeeded(view: Span, span: Span, setView: (span: Span) => void) {
  if (span.from < view.from || span.to > view.to) setView(around({ from: 0, to: Math.max(view.to - view.from, (span.to - span.from) * 3) }, (span.from + span.to) / 2));
}

/** `Deploy 8f2c1e of payment` → `8f2c1e`. */
function shortName(entity: string): string {
  return /\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{6,40}\b/.exec(entity)?.[0].slice(0, 7) ?? entity;
}

function causeDraft(suspects: readonly Suspect[]): string {
  const best = suspects.find(({ verdict }) => verdict === 'confirmed') ?? suspects.find(({ kind, verdict, score }) => kind !== 'none' && verdict !== 'refuted' && score >= 0.5);
  return best ? [best.entity, best.diff_hint, best.sentence].filter(Boolean).join('. ') : '';
}
