import { Modal } from '@mantine/core';
import { count } from '../../ui/format';

/** Discarding keeps the record and says why; nothing sent to whydunit is ever lost. */
export function DiscardDialog({ letters, close, discard }: { letters: number; close: () => void; discard: (reason: string) => void }) {
  return (
    <Modal opened={letters > 0} onClose={close} title={letters === 1 ? 'Discard this letter' : `Discard ${count(letters)} letters`} lockScroll={false} closeButtonProps={{ 'aria-label': 'Close' }} transitionProps={{ duration: 0 }}>
      <form style={{ display: 'grid', gap: 12 }} onSubmit={(event) => {
        event.preventDefault();
        discard(String(new FormData(event.currentTarget).get('reason') ?? '').trim());
      }}>
        <label className="field">Reason <input className="input" name="reason" required maxLength={500} data-autofocus placeholder="sent by a test" /></label>
        <p className="dim small">It leaves the waiting ones and stays readable under “Discarded”, byte for byte.</p>
        <button type="submit" className="btn danger" style={{ justifySelf: 'end' }}>Discard</button>
      </form>
    </Modal>
  );
}
