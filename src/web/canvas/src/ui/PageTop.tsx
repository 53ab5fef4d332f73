import type { ReactNode } from 'react';
import { useLive } from '../api/live';
import { clock, duration } from './format';
import { Kbd } from './Kbd';
import { useNow } from './now';
import { openKeySheet, openPalette } from './overlays';

/** Is what is shown still true, and up to when. */
export function LiveMark() {
  const { state, watermark, brokenAt } = useLive();
  const now = useNow(1000);
  if (state === 'broken') {
    const age = brokenAt ? ` for ${duration(Math.max(1000, now - brokenAt))}` : '';
    return <span className="live broken" role="status"><i />not live{age}, trying again</span>;
  }
  if (state === 'connecting') return <span className="live" role="status">connecting…</span>;
  return <span className="live" title="Everything up to this event time is judged"><i />live{watermark ? ` · ${clock(watermark)} UTC` : ''}</span>;
}

export function PaletteButtons() {
  return (
    <>
      <button type="button" className="btn ghost" onClick={openPalette}>Search or run <Kbd keys="mod+k" /></button>
      <button type="button" className="btn ghost mid" onClick={openKeySheet}>Keys <Kbd keys="?" /></button>
    </>
  );
}

export function PageTop({ title, children, actions }: { title: string; children?: ReactNode; actions?: ReactNode }) {
  return (
    <header className="top">
      <h1>{title}</h1>
      {children}
      <LiveMark />
      <span className="row end" style={{ gap: 4 }}>{actions}<PaletteButtons /></span>
    </header>
  );
}
