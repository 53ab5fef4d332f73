import { Modal } from '@mantine/core';
import type { ConnectorStatus } from '../../api/types';
import { clock } from '../../ui/format';
import { changed } from './state';

interface Props {
  one: ConnectorStatus | undefined;
  close: () => void;
  trip: (reason: string) => void;
  reset: (reason: string) => void;
}

/** The breaker of one connector: what it did, and the two things a person may do, each with a reason. */
export function BreakerDialog({ one, close, trip, reset }: Props) {
  const closed = one?.breaker.state === 'closed';
  return (
    <Modal opened={one !== undefined} onClose={close} title={`Breaker of ${one?.name ?? ''}`} lockScroll={false} closeButtonProps={{ 'aria-label': 'Close' }} transitionProps={{ duration: 0 }}>
      {one && (
        <form style={{ display: 'grid', gap: 12 }} onSubmit={(event) => {
          event.preventDefault();
          const reason = String(new FormData(event.currentTarget).get('reason') ?? '').trim();
          if (closed) trip(reason);
          else reset(reason);
        }}>
          <label className="field">Reason <input className="input" name="reason" required maxLength={500} data-autofocus placeholder={closed ? 'broker under repair' : 'broker repaired'} /></label>
          <p className="dim small">{closed ? 'Nothing is read of it until somebody closes the breaker. Its offset stays, nothing is lost.' : 'It is closed and tried at once.'} Who, when and why are kept.</p>
          <button type="submit" className={`btn ${closed ? 'danger' : 'primary'}`} style={{ justifySelf: 'end' }}>{closed ? 'Open the breaker' : 'Close the breaker'}</button>
          <span className="label">Its last changes</span>
          <ol className="breaker-history" tabIndex={0} aria-label="Last changes of the breaker">
            {one.breaker.history.map((change) => <li key={`${change.at} ${change.to}`}><span className="mono dim">{clock(change.at)}</span> {changed(change)}</li>)}
            {!one.breaker.history.length && <li className="dim">It has been closed all the time.</li>}
          </ol>
        </form>
      )}
    </Modal>
  );
}
