import { Modal } from '@mantine/core';
import { identity } from '../api/client';
import { setOverlay, useOverlay } from '../ui/overlays';

/** Who writes: the name that notes and changes carry. */
export function PersonDialog() {
  const overlay = useOverlay();
  return (
    <Modal opened={overlay === 'person'} onClose={() => setOverlay(null)} title="You" size="sm" lockScroll={false} closeButtonProps={{ 'aria-label': 'Close' }} transitionProps={{ duration: 0 }}>
      <form className="row" style={{ alignItems: 'end' }} onSubmit={(event) => {
        event.preventDefault();
        identity.setPerson(String(new FormData(event.currentTarget).get('name') ?? ''));
        setOverlay(null);
      }}>
        <label className="field grow">Name on your notes and changes <input className="input" name="name" maxLength={100} pattern="[\x20-\x7e]*" title="Latin letters, digits and signs" defaultValue={identity.person() === 'local' ? '' : identity.person()} placeholder="K. Ito" data-autofocus /></label>
        <button type="submit" className="btn primary" style={{ height: 32 }}>Save</button>
      </form>
    </Modal>
  );
}
