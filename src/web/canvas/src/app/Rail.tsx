import { useQuery } from '@tanstack/react-query';
import { Bell, HelpCircle, Inbox, List, MailX, Moon, Plug, Sun } from 'lucide-react';
import { Link, useLocation } from 'wouter';
import { identity } from '../api/client';
import { queries } from '../api/queries';
import { keyCaps } from '../ui/actions';
import { initials } from '../ui/format';
import { openKeySheet, setOverlay } from '../ui/overlays';
import { PLACES } from './places';
import { useScheme } from './scheme';

const ICONS = { investigations: Inbox, events: List, connectors: Plug, 'dead-letters': MailX, told: Bell } as const;

export function Rail() {
  const [path] = useLocation();
  const { dark, toggle } = useScheme();
  const trouble = useTrouble();
  return (
    <nav className="rail" aria-label="Main">
      <Link href="/investigations" className="rail-mark" aria-label="whydunit, to the investigations">w</Link>
      {PLACES.map(({ place, title, keys }) => {
        const Icon = ICONS[place];
        const here = path.startsWith(`/${place}`);
        const dot = place === 'connectors' ? trouble : null;
        return (
          <Link key={place} href={`/${place}`} className="rail-item" aria-current={here ? 'page' : undefined} title={`${title} (${keyCaps(keys).join(' ')})`} aria-label={dot ? `${title}: ${dot.text}` : title}>
            <Icon size={17} strokeWidth={1.6} aria-hidden="true" />
            {dot && <span className={`rail-dot ${dot.tone}`} />}
          </Link>
        );
      })}
      <div className="rail-foot">
        <button type="button" className="rail-item" onClick={toggle} aria-label={dark ? 'Light colours' : 'Dark colours'} title={dark ? 'Light colours' : 'Dark colours'}>
          {dark ? <Sun size={16} strokeWidth={1.6} aria-hidden="true" /> : <Moon size={16} strokeWidth={1.6} aria-hidden="true" />}
        </button>
        <button type="button" className="rail-item mid" onClick={openKeySheet} aria-label="Keys" title="Keys (?)"><HelpCircle size={16} strokeWidth={1.6} aria-hidden="true" /></button>
        <button type="button" className="rail-item" onClick={() => setOverlay('person')} aria-label={`You: ${identity.person()}`} title={`You: ${identity.person()}`}>
          <span className="avatar" aria-hidden="true" style={{ width: 24, height: 24, lineHeight: '24px', fontSize: 10 }}>{initials(identity.person())}</span>
        </button>
      </div>
    </nav>
  );
}

/** The worst that a connector says, for the dot on its rail entry. */
function useTrouble(): { tone: 'critical' | 'medium'; text: string } | null {
  const { data } = useQuery({ ...queries.connectors(), refetchInterval: 15_000 });
  const red = data?.filter(({ state }) => state === 'open' || state === 'stopped').length ?? 0;
  const amber = data?.filter(({ state }) => state === 'backing_off' || state === 'half_open').length ?? 0;
  if (red) return { tone: 'critical', text: `${red} red` };
  return amber ? { tone: 'medium', text: `${amber} trying again` } : null;
}
