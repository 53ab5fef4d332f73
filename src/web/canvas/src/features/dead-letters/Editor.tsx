import { useState } from 'react';
import { bytes as bytesText } from '../../ui/format';
import { say } from '../../ui/toasts';
import { parseHex, prettyText } from './bytes';
import { edited, turned, type Draft } from './draft';

interface Props {
  draft: Draft;
  differs: boolean;
  change: (draft: Draft) => void;
  reset: () => void;
  done: () => void;
}

/** Bytes in the place of the record's value. The record itself stays as it came. */
export function Editor({ draft, differs, change, reset, done }: Props) {
  const [refused, setRefused] = useState('');
  const wrong = edited(draft);
  const laidOut = draft.mode === 'text' ? prettyText(draft.value) : null;
  const fault = typeof wrong === 'string' ? wrong : refused;
  const turn = () => {
    const next = turned(draft);
    setRefused(typeof next === 'string' ? next : '');
    if (typeof next !== 'string') change(next);
  };
  const undo = () => {
    const was = draft;
    reset();
    say('As it came again', { undo: () => change(was) });
  };
  const size = draft.mode === 'text' ? new TextEncoder().encode(draft.value).length : (parseHex(draft.value) as Uint8Array).length;
  return (
    <div className="letter letter-edit">
      <div className="row small letter-caption">
        <span className="label">{differs ? 'Edited' : 'Not changed yet'}{typeof wrong === 'string' ? '' : `, ${bytesText(size)}`}</span>
        <span className="row end" style={{ gap: 6 }}>
        {laidOut !== null && laidOut !== draft.value && <button type="button" className="btn small" onClick={() => change({ mode: 'text', value: laidOut })}>Lay out</button>}
        <span className="seg small-seg" role="group" aria-label="Edit as">{(['text', 'hex'] as const).map((mode) => <button type="button" key={mode} aria-pressed={draft.mode === mode} onClick={() => draft.mode !== mode && turn()}>{mode === 'text' ? 'Text' : 'Hex'}</button>)}</span>
        <button type="button" className="btn small" disabled={!differs} onClick={undo}>As it came</button></span>
      </div>
      <textarea
        className="input letter-field" aria-label={`Value as ${draft.mode}`} aria-invalid={fault !== ''} aria-describedby={fault ? 'letter-fault' : undefined} spellCheck={false} autoCapitalize="off" autoComplete="off" value={draft.value} autoFocus
        onChange={(event) => {
          setRefused('');
          change({ ...draft, value: event.target.value });
        }}
        onKeyDown={(event) => {
          if (event.key === 'Escape') {
            event.preventDefault();
            event.currentTarget.blur();
            done();
          }
        }}
      />
      {fault ? <p id="letter-fault" role="alert" className="small critical-ink">{fault}</p> : <p className="dim small">Kept in this browser. The record itself stays as it came; only this one is replayed with it.</p>}
    </div>
  );
}
