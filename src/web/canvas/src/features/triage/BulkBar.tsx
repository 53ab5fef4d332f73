import { Menu, Popover } from '@mantine/core';
import type { ReactNode } from 'react';
import { identity } from '../../api/client';
import type { CloseReason, InvestigationPatch, InvestigationSummary, Priority } from '../../api/types';
import { Kbd } from '../../ui/Kbd';
import { TagForm } from '../../ui/TagForm';

export type BulkMenu = 'status' | 'priority' | 'assign' | 'tag' | null;

interface Props {
  count: number;
  people: readonly string[];
  /** Tags in use anywhere. */
  tags: readonly string[];
  rows: readonly InvestigationSummary[];
  menu: BulkMenu;
  setMenu: (menu: BulkMenu) => void;
  patch: (change: InvestigationPatch, said: string) => void;
  close: (reason: CloseReason) => void;
  tag: (name: string, on: boolean) => void;
  clear: () => void;
}

const PRIORITIES: readonly Priority[] = ['p0', 'p1', 'p2', 'p3'];

export function BulkBar({ count, people, tags, rows, menu, setMenu, patch, close, tag, clear }: Props) {
  const me = identity.person();
  const names = [me, ...people.filter((name) => name && name !== me)].slice(0, 12);
  const drop = (name: Exclude<BulkMenu, null>, title: string, keys: string, items: ReactNode) => (
    <Menu opened={menu === name} onChange={(opened) => setMenu(opened ? name : null)} position="top" transitionProps={{ duration: 0 }} withInitialFocusPlaceholder={false} shadow="md">
      <Menu.Target><button type="button" className="btn">{title} <Kbd keys={keys} /></button></Menu.Target>
      <Menu.Dropdown>{items}</Menu.Dropdown>
    </Menu>
  );
  return (
    <div className="bulk" role="toolbar" aria-label="Change the selected">
      <b>{count} selected</b><span className="parting" />
      {drop('status', 'Status', 's', <>
        <Menu.Item onClick={() => patch({ status: 'in_progress' }, 'in progress')}>In progress</Menu.Item>
        <Menu.Item onClick={() => patch({ status: 'open' }, 'open')}>Open</Menu.Item>
        <Menu.Divider />
        <Menu.Item onClick={() => close('false_alarm')} rightSection={<Kbd keys="f" />}>Close as false alarm</Menu.Item>
        <Menu.Item onClick={() => close('duplicate')} rightSection={<Kbd keys="d" />}>Close as duplicate</Menu.Item>
      </>)}
      {drop('priority', 'Priority', 'p', PRIORITIES.map((priority) => <Menu.Item key={priority} onClick={() => patch({ priority }, priority.toUpperCase())}>{priority.toUpperCase()}</Menu.Item>))}
      {drop('assign', 'Assign', 'a', <>
        {names.map((name) => <Menu.Item key={name} onClick={() => patch({ assigned_to: name }, `assigned to ${name}`)}>{name === me ? `Me (${me})` : name}</Menu.Item>)}
        <Menu.Item onClick={() => patch({ assigned_to: '' }, 'assigned to nobody')}>Nobody</Menu.Item>
      </>)}
      <Popover opened={menu === 'tag'} onChange={(opened) => setMenu(opened ? 'tag' : null)} position="top" transitionProps={{ duration: 0 }} trapFocus withRoles={false} shadow="md">
        <Popover.Target><button type="button" className="btn" aria-expanded={menu === 'tag'} aria-haspopup="dialog" onClick={() => setMenu(menu === 'tag' ? null : 'tag')}>Tag <Kbd keys="l" /></button></Popover.Target>
        <Popover.Dropdown role="dialog" aria-label="Tag"><TagForm known={tags} tagged={tags.filter((name) => rows.every((row) => row.tags.includes(name)))} tag={tag} /></Popover.Dropdown>
      </Popover>
      <button type="button" className="btn" onClick={() => close('false_alarm')}>False alarm <Kbd keys="f" /></button>
      <button type="button" className="btn" onClick={() => close('duplicate')}>Duplicate <Kbd keys="d" /></button>
      <button type="button" className="btn ghost" onClick={clear}>Clear <Kbd keys="Escape" /></button>
    </div>
  );
}
