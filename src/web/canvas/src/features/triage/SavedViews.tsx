import { Modal } from '@mantine/core';
import { NAME_CHARS_MAX, type SavedView } from './views';

/** A name for what the list shows now. */
export function SaveViewDialog({ opened, close, taken, save }: { opened: boolean; close: () => void; taken: string; save: (name: string) => void }) {
  return (
    <Modal opened={opened} onClose={close} title="Save this view" size="sm" lockScroll={false} closeButtonProps={{ 'aria-label': 'Close' }} transitionProps={{ duration: 0 }}>
      <form style={{ display: 'grid', gap: 12 }} onSubmit={(event) => {
        event.preventDefault();
        save(String(new FormData(event.currentTarget).get('name') ?? '').trim());
      }}>
        <label className="field">Name <input className="input" name="name" required pattern=".*\S.*" title="At least one letter" maxLength={NAME_CHARS_MAX} defaultValue={taken} data-autofocus placeholder="Payment, not assigned" /></label>
        <p className="dim small">Kept in this browser. Its address holds every filter: send it, and a colleague sees the same.</p>
        <button type="submit" className="btn primary" style={{ justifySelf: 'end' }}>Save</button>
      </form>
    </Modal>
  );
}

/** Saved views as further tabs of the list. */
export function ViewTabs({ views, shown, show, remove }: { views: readonly SavedView[]; shown: SavedView | null; show: (view: SavedView) => void; remove: (view: SavedView) => void }) {
  const all = shown && !views.some(({ name }) => name === shown.name) ? [...views, shown] : views;
  return <>{all.map((view) => {
    const here = view.name === shown?.name;
    return (
      <span key={view.name} className="saved-view">
        <button type="button" aria-pressed={here} className="trunc" title={view.name} onClick={() => show(view)}>{view.name}</button>
        {here && views.includes(view) && <button type="button" aria-label={`Remove the view ${view.name}`} title="Remove this view" onClick={() => remove(view)}>×</button>}
      </span>
    );
  })}</>;
}
