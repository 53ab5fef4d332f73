import { useQuery } from '@tanstack/react-query';
import { explain } from '../../api/client';
import { queries } from '../../api/queries';
import type { DeadLetter, DryRun as Outcome } from '../../api/types';
import { count } from '../../ui/format';
import { Kbd } from '../../ui/Kbd';
import { useUrl } from '../../ui/url';
import { differs, edited, type Draft } from './draft';
import { itemLine, lastTime } from './runs';

/** What would come out, and the ways on from there. */
export function DryRun({ letter, draft, asked }: { letter: DeadLetter; draft: Draft | null; asked: boolean }) {
  const [, patch] = useUrl();
  const isEdited = draft !== null && differs(draft, letter.value_base64);
  const value = isEdited ? edited(draft) : {};
  const wrong = typeof value === 'string' ? value : null;
  const { data, error, isFetching, refetch } = useQuery({ ...queries.dryRun(letter.id, typeof value === 'string' ? {} : value), enabled: asked && !wrong });
  const run = () => (asked ? void refetch() : patch({ dry: '1' }));
  return (
    <div className="dead-desk">
      <section className="desk-card" aria-label="Dry run">
        <div className="row"><b>Dry run</b><span className="dim small grow">{isEdited ? 'as edited' : 'as it came'}, nothing is stored</span><button type="button" className="btn" disabled={wrong !== null} onClick={run}>{asked ? 'Run again' : 'Run'} <Kbd keys="t" /></button></div>
        <div role="status" className="desk-outcome">{wrong ? <p className="critical-ink">{wrong}</p> : !asked ? <p className="dim">What it would become with the settings as they are now.</p> : isFetching ? <p className="dim">decoding…</p> : error ? <p className="critical-ink">Not decoded: {explain(error)}</p> : data ? <Found outcome={data} /> : null}</div>
      </section>
      <section className="desk-card" aria-label="Replay">
        <div className="row"><b>Replay</b><span className="dim small grow trunc" title={lastTime(letter)}>{letter.replay_count > 0 ? `replay ${count(letter.replay_count + 1)}` : ''}</span>
          <button type="button" className="btn" onClick={() => patch({ letter: letter.id, ask: 'discard' })}>Discard <Kbd keys="shift+Delete" /></button>
          <button type="button" className="btn primary" disabled={wrong !== null} onClick={() => patch({ letter: letter.id, ask: 'replay' })}>{isEdited ? 'Replay as edited' : 'Replay'} <Kbd keys="r" /></button></div>
        <p className="desk-outcome sec">{lastTime(letter)} {letter.replay_count > 0 ? '' : 'What can be read is stored as if it had come that way; what cannot waits again.'}</p>
      </section>
    </div>
  );
}

const SHOWN = 20;

function Found({ outcome: { format, items, preview, error_class, error_message } }: { outcome: Outcome }) {
  return (
    <>
      <p>{items > 0 ? <><b className="well-ink">{count(items)} {items === 1 ? 'item' : 'items'}</b> would be taken in, read as {format}.</> : <b className="critical-ink">Nothing could be read.</b>}{error_class && <span className={items > 0 ? 'critical-ink' : ''}> {items > 0 ? 'The rest still fails' : 'It still fails'} ({error_class.replace(/_/g, ' ')}): {error_message}</span>}</p>
      {preview.length > 0 && <ul className="desk-items" aria-label="Items that would be taken in">{preview.slice(0, SHOWN).map((item, index) => <li key={index} className="trunc" title={itemLine(item)}>{itemLine(item)}</li>)}{items > preview.length && <li className="dim">and {count(items - preview.length)} more</li>}</ul>}
    </>
  );
}
