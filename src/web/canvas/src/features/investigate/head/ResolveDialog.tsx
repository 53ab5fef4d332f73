import { Modal } from '@mantine/core';

/** Resolving needs a root cause; the confirmed or strongest suspect is the first draft. */
export function ResolveDialog({ opened, close, draft, resolve }: { opened: boolean; close: () => void; draft: string; resolve: (rootCause: string) => void }) {
  return (
    <Modal opened={opened} onClose={close} title="Resolve" lockScroll={false} closeButtonProps={{ 'aria-label': 'Close' }} transitionProps={{ duration: 0 }}>
      <form style={{ display: 'grid', gap: 12 }} onSubmit={(event) => {
        event.preventDefault();
        resolve(String(new FormData(event.currentTarget).get('cause') ?? '').trim());
        close();
      }}>
        <label className="field">Root cause <textarea className="input" name="cause" required maxLength={2000} defaultValue={draft} data-autofocus /></label>
        <button type="submit" className="btn primary" style={{ justifySelf: 'end' }}>Resolve</button>
      </form>
    </Modal>
  );
}
