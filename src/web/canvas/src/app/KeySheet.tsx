import { Modal } from '@mantine/core';
import { useState } from 'react';
import { letters, useActionGroups } from '../ui/actions';
import { Kbd } from '../ui/Kbd';
import { setOverlay, useOverlay } from '../ui/overlays';

/** Every key that works here, from the registry. */
export function KeySheet() {
  const overlay = useOverlay();
  const groups = useActionGroups();
  const [off, setOff] = useState(letters.off);
  const byName = new Map<string, { title: string; keys: readonly string[] }[]>();
  for (const { group, actions } of groups) {
    const rows = actions.flatMap(({ title, keys }) => (keys?.length ? [{ title, keys }] : []));
    if (rows.length) byName.set(group, [...(byName.get(group) ?? []), ...rows]);
  }
  return (
    <Modal opened={overlay === 'keys'} onClose={() => setOverlay(null)} title="Keys" size="lg" lockScroll={false} closeButtonProps={{ 'aria-label': 'Close' }} transitionProps={{ duration: 0 }}>
      <div className="key-sheet">
        {[...byName].map(([group, rows]) => (
          <section key={group}>
            <h3 className="label">{group}</h3>
            <dl>{rows.map(({ title, keys }) => <div key={title}><dt>{title}</dt><dd>{keys.map((key) => <Kbd key={key} keys={key} />)}</dd></div>)}</dl>
          </section>
        ))}
      </div>
      <label className="row small" style={{ marginTop: 12 }}>
        <input type="checkbox" className="check" checked={off} onChange={(event) => {
          letters.setOff(event.target.checked);
          setOff(event.target.checked);
        }} />
        Switch single letters off (for dictation)
      </label>
    </Modal>
  );
}
