// Small signs that mean the same everywhere: severity, status, person, score, source.

import { Activity, AlignLeft, Box, ChartNoAxesGantt, Diamond, Flag, GitBranch, Globe, HelpCircle, Hexagon, Server, User, type LucideIcon } from 'lucide-react';
import type { LaneName, Severity, Source, Status, SuspectKind } from '../api/types';
import { initials, score as scoreText, words } from './format';

export const SEVERITY_PATH: Record<Severity, string> = {
  critical: 'M6 0L12 6L6 12L0 6Z',
  high: 'M6 .8L12 11.2H0Z',
  medium: 'M1 1H11V11H1Z',
  low: 'M0 1H12L6 11.2Z',
  info: 'M6 1A5 5 0 1 1 6 11A5 5 0 1 1 6 1Z',
};

export function SeverityMark({ severity, size = 11 }: { severity: Severity; size?: number }) {
  return <svg width={size} height={size} viewBox="0 0 12 12" aria-hidden="true"><path d={SEVERITY_PATH[severity]} fill="currentColor" /></svg>;
}

export function SeverityLabel({ severity }: { severity: Severity }) {
  return <span className={`sev ${severity}-ink`}><SeverityMark severity={severity} />{words(severity)}</span>;
}

export function StatusMark({ status }: { status: Status }) {
  return (
    <svg width="12" height="12" viewBox="0 0 12 12" aria-hidden="true" className={status === 'resolved' ? 'well-ink' : undefined}>
      {status === 'open' && <circle cx="6" cy="6" r="5" fill="none" stroke="currentColor" strokeWidth="1.5" />}
      {status === 'in_progress' && <><circle cx="6" cy="6" r="5" fill="none" stroke="currentColor" strokeWidth="1.5" /><path d="M6 1a5 5 0 0 1 0 10z" fill="currentColor" /></>}
      {(status === 'resolved' || status === 'closed') && <><circle cx="6" cy="6" r="5.5" fill="currentColor" /><path d="M3.5 6.2l1.7 1.7 3.3-3.6" fill="none" stroke="var(--panel)" strokeWidth="1.5" /></>}
    </svg>
  );
}

export function Avatar({ name }: { name: string | null }) {
  if (!name) return <span className="avatar nobody" role="img" aria-label="nobody" title="nobody" />;
  if (name === 'whydunit') return <span className="avatar engine" role="img" aria-label="whydunit" title="whydunit">w</span>;
  return <span className="avatar" role="img" aria-label={name} title={name}>{initials(name)}</span>;
}

export function ScoreBar({ value }: { value: number }) {
  return (
    <span className="score-bar">
      <b>{scoreText(value)}</b>
      <svg width="48" height="4" aria-hidden="true">
        <rect width="48" height="4" rx="2" fill="var(--line)" />
        <rect width={Math.max(0, Math.min(1, value)) * 48} height="4" rx="2" fill={value < 0.5 ? 'var(--line3)' : 'var(--accent)'} />
      </svg>
    </span>
  );
}

const LANE_ICONS: Record<LaneName, LucideIcon> = {
  changes: Diamond, git: GitBranch, ci: Box, metrics: Activity, logs: AlignLeft, traces: ChartNoAxesGantt, manual: Flag, people: User,
};
const KIND_ICONS: Record<SuspectKind, LucideIcon> = { change: Diamond, service: Hexagon, host: Server, external: Globe, none: HelpCircle };

export function SourceIcon({ source, size = 16 }: { source: LaneName | Source; size?: number }) {
  const Icon = LANE_ICONS[source] ?? Flag;
  return <Icon size={size} strokeWidth={1.7} color={`var(--${source})`} aria-hidden="true" />;
}

export function KindIcon({ kind, size = 14 }: { kind: SuspectKind; size?: number }) {
  const Icon = KIND_ICONS[kind] ?? HelpCircle;
  return <Icon size={size} strokeWidth={1.6} aria-hidden="true" />;
}
