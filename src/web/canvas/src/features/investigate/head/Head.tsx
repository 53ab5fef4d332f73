import { Menu, Popover } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Tag } from 'lucide-react';
import { useState, type ReactNode } from 'react';
import { Link } from 'wouter';
import { identity } from '../../../api/client';
import { queries } from '../../../api/queries';
import type { Investigation, InvestigationPatch, Priority, Severity, Status } from '../../../api/types';
import { duration, score as scoreText, shortId, words } from '../../../ui/format';
import { Kbd } from '../../../ui/Kbd';
import { Avatar, SeverityLabel, StatusMark } from '../../../ui/marks';
import { LiveMark, PaletteButtons } from '../../../ui/PageTop';
import { TagForm } from '../../../ui/TagForm';
import { RichSentence, type Highlight } from '../../../ui/RichSentence';
import type { Conflict } from './usePatch';

export type HeadMenu = 'status' | 'priority' | 'severity' | 'assign' | 'tag' | null;

interface Props {
  investigation: Investigation;
  now: number;
  highlights: readonly Highlight[];
  menu: HeadMenu;
  setMenu: (menu: HeadMenu) => void;
  patch: (change: InvestigationPatch) => void;
  conflict: Conflict | null;
  settle: (mine: boolean) => void;
  ends: { resolve: () => void; falseAlarm: () => void; mute: () => void; duplicate: () => void; reopen: () => void };
  tag: (name: string, on: boolean) => void;
}

export function Head({ investigation, now, highlights, menu, setMenu, patch, conflict, settle, ends, tag }: Props) {
  const { findings } = investigation;
  const unsure = findings !== null && findings.confidence < 0.5;
  const end = investigation.recovered_at ?? investigation.resolved_at ?? investigation.closed_at;
  const lasted = (end ? Date.parse(end) : Math.max(now, Date.parse(findings?.updated_at ?? investigation.updated_at))) - Date.parse(investigation.started_at);
  const noticed = Date.parse(investigation.detected_at) - Date.parse(investigation.started_at);
  // Kinds of evidence in the line; the whole reason on hover.
  const because = findings?.opened_families.length ? findings.opened_families.map((family) => words(family).toLowerCase()).join(' and ') : findings?.opened_because;
  const facts: [string, ReactNode, string?][] = [
    ...(findings ? [['sure', unsure ? <>not sure of the cause: <b>{scoreText(findings.confidence)}</b></> : <>sure of the cause: <b>{scoreText(findings.confidence)}</b></>] as [string, ReactNode]] : []),
    ['lasted', <>{end ? 'lasted' : 'lasting'} <b>{duration(lasted)}</b></>],
    ...(investigation.recovered_at ? [['recovered', <b className="well-ink">recovered by itself</b>] as [string, ReactNode]] : []),
    ...(noticed > 0 ? [['noticed', <>noticed <b>{duration(noticed)}</b> after onset</>, 'wide'] as [string, ReactNode, string]] : []),
    ...(findings ? [['hot', <><b>{findings.hot_services.length} of {findings.services_total}</b> services hot</>] as [string, ReactNode]] : []),
    ['opened', <span title={findings?.opened_because}>opened by {investigation.created_by}{because ? `: ${because}` : ''}</span>, 'wide'],
  ];
  return (
    <header className="head">
      <div className="row small head-crumb">
        <Link href="/investigations" className="dim">Investigations</Link><span className="dim" aria-hidden="true">/</span><span className="mono sec" title={investigation.id}>{shortId(investigation.id)}</span>
        {investigation.environment && <span className="dim mid">{investigation.environment}</span>}
        <LiveMark />
        <span className="row end" style={{ gap: 4 }}><PaletteButtons /></span>
      </div>
      <h1 title={investigation.title.length > 140 ? investigation.title : undefined}><RichSentence text={investigation.title} highlights={highlights} bold={false} /></h1>
      {findings && findings.headline !== investigation.title && <p className="sec head-symptom">{findings.headline}</p>}
      <div className="facts">
        <Choice name="severity" label="Severity" menu={menu} setMenu={setMenu} className={investigation.impact_severity} face={<SeverityLabel severity={investigation.impact_severity} />}
          items={(['critical', 'high', 'medium', 'low'] as Severity[]).map((severity) => ({ key: severity, face: <SeverityLabel severity={severity} />, run: () => patch({ impact_severity: severity }) }))} />
        <Choice name="priority" label="Priority" menu={menu} setMenu={setMenu} face={<b>{investigation.priority.toUpperCase()}</b>} keys="p"
          items={(['p0', 'p1', 'p2', 'p3'] as Priority[]).map((priority) => ({ key: priority, face: priority.toUpperCase(), run: () => patch({ priority }) }))} />
        <Choice name="status" label="Status" menu={menu} setMenu={setMenu} keys="s" face={<><StatusMark status={investigation.status} />{investigation.close_reason ? words(investigation.close_reason) : words(investigation.status)}</>} items={statusItems(investigation.status, patch, ends)} />
        <Assign who={investigation.assigned_to} opened={menu === 'assign'} setOpened={(opened) => setMenu(opened ? 'assign' : null)} assign={(name) => patch({ assigned_to: name })} />
        <Tags tags={investigation.tags} opened={menu === 'tag'} setOpened={(opened) => setMenu(opened ? 'tag' : null)} tag={tag} />
        {facts.map(([key, face, visible]) => <span key={key} className={`fact ${visible ?? ''}`}>{face}</span>)}
      </div>
      {conflict && <ConflictBar conflict={conflict} settle={settle} />}
    </header>
  );
}

interface Item { key: string; face: ReactNode; run: () => void }

function statusItems(status: Status, patch: Props['patch'], ends: Props['ends']): Item[] {
  const items: Item[] = [];
  if (status === 'open') items.push({ key: 'progress', face: 'In progress', run: () => patch({ status: 'in_progress' }) });
  if (status === 'open' || status === 'in_progress') items.push({ key: 'resolve', face: 'Resolved…', run: ends.resolve });
  if (status === 'resolved') items.push({ key: 'close', face: 'Closed', run: () => patch({ status: 'closed' }) });
  if (status !== 'closed') items.push({ key: 'false', face: 'Close as false alarm', run: ends.falseAlarm }, { key: 'mute', face: 'False alarm: mute it for 7 days', run: ends.mute }, { key: 'duplicate', face: 'Close as duplicate', run: ends.duplicate });
  if (status !== 'open') items.push({ key: 'reopen', face: 'Reopen', run: ends.reopen });
  return items;
}

function Choice({ name, label, face, items, menu, setMenu, className = '', keys }: { name: Exclude<HeadMenu, null>; label: string; face: ReactNode; items: Item[]; menu: HeadMenu; setMenu: Props['setMenu']; className?: string; keys?: string }) {
  return (
    <Menu opened={menu === name} onChange={(opened) => setMenu(opened ? name : null)} position="bottom-start" transitionProps={{ duration: 0 }} withinPortal={false} withInitialFocusPlaceholder={false}>
      <Menu.Target><button type="button" className={`chip ${className}`} title={keys ? `${label} (${keys})` : label}><span className="sr-only">{label}: </span>{face}</button></Menu.Target>
      <Menu.Dropdown>{items.map(({ key, face: item, run }) => <Menu.Item key={key} onClick={run}>{item}</Menu.Item>)}</Menu.Dropdown>
    </Menu>
  );
}

function Assign({ who, opened, setOpened, assign }: { who: string | null; opened: boolean; setOpened: (opened: boolean) => void; assign: (name: string) => void }) {
  const me = identity.person();
  const { data } = useQuery({ ...queries.investigationFacets({}), enabled: opened });
  const people = data?.find(({ field }) => field === 'assigned_to')?.values.map(({ value }) => value).filter((name) => name && name !== me) ?? [];
  const use = (name: string) => {
    setOpened(false);
    assign(name);
  };
  return (
    <Popover opened={opened} onChange={setOpened} position="bottom-start" transitionProps={{ duration: 0 }} trapFocus withRoles={false}>
      <Popover.Target><button type="button" className="chip" aria-expanded={opened} aria-haspopup="dialog" onClick={() => setOpened(!opened)} title={who ? `Assigned to ${who} (a)` : 'Assign (a)'}><Avatar name={who} /><span className="trunc" style={{ maxWidth: 150 }}>{who ?? 'Nobody'}</span></button></Popover.Target>
      <Popover.Dropdown role="dialog" aria-label="Assign">
        <form style={{ display: 'grid', gap: 6, width: 220 }} onSubmit={(event) => {
          event.preventDefault();
          use(String(new FormData(event.currentTarget).get('name') ?? '').trim());
        }}>
          <button type="button" className="btn" data-autofocus onClick={() => use(me)}>Me ({me})</button>
          {people.slice(0, 6).map((name) => <button type="button" className="btn" key={name} onClick={() => use(name)}><span className="trunc">{name}</span></button>)}
          <input className="input" name="name" maxLength={200} placeholder="Somebody else" aria-label="Name" required />
          {who && <button type="button" className="btn ghost" onClick={() => use('')}>Nobody</button>}
        </form>
      </Popover.Dropdown>
    </Popover>
  );
}

function Tags({ tags, opened, setOpened, tag }: { tags: readonly string[]; opened: boolean; setOpened: (opened: boolean) => void; tag: Props['tag'] }) {
  const { data } = useQuery({ ...queries.investigationFacets({}), enabled: opened });
  const known = data?.find(({ field }) => field === 'tag')?.values.map(({ value }) => value) ?? [];
  return (
    <Popover opened={opened} onChange={setOpened} position="bottom-start" transitionProps={{ duration: 0 }} trapFocus withRoles={false}>
      <Popover.Target><button type="button" className="chip tags-chip" aria-expanded={opened} aria-haspopup="dialog" onClick={() => setOpened(!opened)} title={tags.length ? `${tags.join(', ')} (l)` : 'Tag (l)'}><Tag size={12} aria-hidden="true" /><span className="sr-only">Tags: </span><span className="trunc">{tags.length ? tags.join(', ') : 'Tag'}</span></button></Popover.Target>
      <Popover.Dropdown role="dialog" aria-label="Tag"><TagForm known={known} tagged={tags} tag={tag} /></Popover.Dropdown>
    </Popover>
  );
}

/** Two people changed it: nothing is saved until one says whose counts. */
function ConflictBar({ conflict, settle }: { conflict: Conflict; settle: (mine: boolean) => void }) {
  const [both, setBoth] = useState(false);
  return (
    <div className="banner" role="alert" style={{ marginTop: 8 }}>
      <span className="grow">Not saved, changed by {conflict.who}{conflict.ageMs === null ? '' : ` ${duration(Math.max(1000, conflict.ageMs))} ago`}: {both ? <>yours <b>{conflict.mine}</b>, theirs <b>{conflict.theirs}</b></> : <button type="button" className="link" onClick={() => setBoth(true)}>show both</button>}</span>
      <button type="button" className="btn small" onClick={() => settle(true)}>Save mine</button>
      <button type="button" className="btn small" onClick={() => settle(false)}>Keep theirs <Kbd keys="Escape" /></button>
    </div>
  );
}
