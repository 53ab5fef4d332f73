// What a region shows while it waits, when it is empty, when it failed.

import { AlertTriangle, Info } from 'lucide-react';
import type { ReactNode } from 'react';
import { Problem, explain, identity } from '../api/client';
import { duration } from './format';
import { useNow } from './now';

export function GhostRows({ rows = 8 }: { rows?: number }) {
  return (
    <div role="status" aria-label="Loading">
      {Array.from({ length: rows }, (_, row) => (
        <div className="ghost-row" key={row} aria-hidden="true"><i style={{ width: 70 }} /><i style={{ width: `${22 + ((row * 13) % 20)}%` }} /><i style={{ width: `${10 + ((row * 7) % 9)}%` }} /></div>
      ))}
    </div>
  );
}

/** `page`: it is all that the page has, and so its heading. */
export function Empty({ title, children, center = false, page = false }: { title: string; children?: ReactNode; center?: boolean; page?: boolean }) {
  return <div className={`empty ${center ? 'center' : ''}`}>{page ? <h1>{title}</h1> : <b>{title}</b>}{children}</div>;
}

/** Says what failed; with what is still shown, its age. Asks for the token when the server wants one. */
export function Failed({ error, what, shownSince, retry }: { error: unknown; what: string; shownSince?: number; retry: () => void }) {
  const now = useNow(1000);
  if (error instanceof Problem && error.status === 401) return <TokenForm retry={retry} />;
  return (
    <div className="banner" role="alert">
      <AlertTriangle size={15} aria-hidden="true" />
      <span className="grow">{what} could not be read: {explain(error)}{shownSince ? ` Shown as of ${duration(Math.max(1000, now - shownSince))} ago.` : ''}</span>
      <button type="button" className="btn small" onClick={retry}>Retry</button>
    </div>
  );
}

export function Notice({ children }: { children: ReactNode }) {
  return <div className="banner info" role="note"><Info size={15} aria-hidden="true" /><span className="grow">{children}</span></div>;
}

function TokenForm({ retry }: { retry: () => void }) {
  return (
    <form className="banner" onSubmit={(event) => {
      event.preventDefault();
      identity.setToken(String(new FormData(event.currentTarget).get('token') ?? ''));
      retry();
    }}>
      <AlertTriangle size={15} aria-hidden="true" />
      <label className="row grow">This server asks for an access token <input className="input" style={{ maxWidth: 320 }} type="password" name="token" autoComplete="current-password" required /></label>
      <button type="submit" className="btn small primary">Use it</button>
    </form>
  );
}
