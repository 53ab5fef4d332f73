import { Modal } from '@mantine/core';
import { useState } from 'react';
import { explain } from '../../api/client';
import { commands } from '../../api/commands';
import type { Severity } from '../../api/types';

/** Opens an investigation by hand. */
export function NewDialog({ opened, close, created }: { opened: boolean; close: () => void; created: (id: string) => void }) {
  const [trouble, setTrouble] = useState('');
  const [busy, setBusy] = useState(false);
  const submit = async (form: FormData) => {
    const text = (name: string) => String(form.get(name) ?? '').trim();
    setBusy(true);
    setTrouble('');
    try {
      const made = await commands.createInvestigation({ title: text('title'), description: text('description'), impact_severity: text('severity') as Severity, ...(text('service') && { service_affected: text('service') }) });
      created(made.id);
    } catch (error) {
      setTrouble(explain(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <Modal opened={opened} onClose={close} title="New investigation" lockScroll={false} closeButtonProps={{ 'aria-label': 'Close' }} transitionProps={{ duration: 0 }}>
      <form style={{ display: 'grid', gap: 12 }} onSubmit={(event) => {
        event.preventDefault();
        void submit(new FormData(event.currentTarget));
      }}>
        <label className="field">What is wrong <input className="input" name="title" required maxLength={300} data-autofocus placeholder="search answers late" /></label>
        <div className="row">
          <label className="field grow">Service <input className="input" name="service" maxLength={200} /></label>
          <label className="field">Severity <select className="input" name="severity" defaultValue="medium">{['critical', 'high', 'medium', 'low'].map((one) => <option key={one}>{one}</option>)}</select></label>
        </div>
        <label className="field">Description <textarea className="input" name="description" maxLength={20_000} /></label>
        {trouble && <p role="alert" className="critical-ink">Not saved: {trouble}</p>}
        <button type="submit" className="btn primary" disabled={busy} style={{ justifySelf: 'end' }}>Open it</button>
      </form>
    </Modal>
  );
}
