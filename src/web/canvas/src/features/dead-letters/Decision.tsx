import { Modal } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { commands, type Letters } from '../../api/commands';
import { queries } from '../../api/queries';
import type { DeadLetterGroup } from '../../api/types';
import { count } from '../../ui/format';
import { useUrl } from '../../ui/url';
import { differs, drafts, edited } from './draft';
import { useDecide } from './useDecide';

interface Asked {
  title: string;
  letters: Letters;
  n: number;
  discard: boolean;
}

/** What the address asks to decide: `replay`, `replay-group`, `replay-connector`, `discard`, `discard-group`. */
function askedFor(ask: string | null, letter: string | null, group: DeadLetterGroup, groups: readonly DeadLetterGroup[]): Asked | null {
  const n = groups.filter(({ connector }) => connector === group.connector).reduce((sum, { waiting }) => sum + waiting, 0);
  const many = (m: number) => (m === 1 ? 'the one letter' : `all ${count(m)} letters`);
  switch (ask) {
    case 'replay': return letter ? { title: 'Replay this letter', letters: { id: letter }, n: 1, discard: false } : null;
    case 'discard': return letter ? { title: 'Discard this letter', letters: { id: letter }, n: 1, discard: true } : null;
    case 'replay-group': return { title: `Replay ${many(group.waiting)} of this group`, letters: { fingerprint: group.fingerprint }, n: group.waiting, discard: false };
    case 'discard-group': return { title: `Discard ${many(group.waiting)} of this group`, letters: { fingerprint: group.fingerprint }, n: group.waiting, discard: true };
    case 'replay-connector': return { title: `Replay ${many(n)} of ${group.connector}`, letters: { connector: group.connector }, n, discard: false };
    default: return null;
  }
}

/** Asks before what cannot be taken back, and for the reason of a discard. */
export function Decision({ group, groups }: { group: DeadLetterGroup; groups: readonly DeadLetterGroup[] }) {
  const [params, patch] = useUrl();
  const asked = askedFor(params.get('ask'), params.get('letter'), group, groups);
  const close = () => patch({ ask: null });
  return (
    <Modal opened={asked !== null} onClose={close} title={asked?.title} lockScroll={false} closeButtonProps={{ 'aria-label': 'Close' }} transitionProps={{ duration: 0 }}>
      {asked && (asked.discard ? <Discard asked={asked} close={close} /> : <Replay asked={asked} group={group} close={close} />)}
    </Modal>
  );
}

function Discard({ asked: { letters, n }, close }: { asked: Asked; close: () => void }) {
  const decide = useDecide();
  return (
    <form className="ask" onSubmit={(event) => {
      event.preventDefault();
      const reason = String(new FormData(event.currentTarget).get('reason') ?? '').trim();
      if (!reason) return;
      close();
      void decide('Discarded', () => commands.discard(letters, reason), { reason, undo: () => void decide('Put back', () => commands.restoreLetters(letters)) });
    }}>
      <label className="field">Reason <input className="input" name="reason" required maxLength={500} data-autofocus placeholder="sent by a test" /></label>
      <p className="dim small">{n === 1 ? 'It leaves' : 'They leave'} the waiting ones and {n === 1 ? 'stays' : 'stay'} readable under “Discarded”, byte for byte; from there {n === 1 ? 'it' : 'they'} can be put back.</p>
      <button type="submit" className="btn danger">Discard {n === 1 ? '' : count(n)}</button>
    </form>
  );
}

function Replay({ asked: { letters, n }, group, close }: { asked: Asked; group: DeadLetterGroup; close: () => void }) {
  const decide = useDecide();
  const id = 'id' in letters ? letters.id : null;
  const { data: letter } = useQuery({ ...queries.deadLetter(id ?? ''), enabled: id !== null });
  const draft = id ? drafts.read(id) : null;
  const isEdited = draft !== null && letter?.id === id && differs(draft, letter.value_base64);
  const value = isEdited ? edited(draft) : {};
  const others = n > 1 && 'connector' in letters;
  return (
    <form className="ask" onSubmit={(event) => {
      event.preventDefault();
      if (typeof value === 'string') return;
      close();
      void decide(n === 1 ? 'Replay asked for' : 'Replay begun', () => commands.replay(letters, value)).then((taken) => {
        if (taken && id) drafts.write(id, null);
      });
    }}>
      <p>{n === 1 ? <>It is decoded again {isEdited ? <b>as you edited it</b> : 'as it came'}, with the settings as they are now.</> : <>{others ? `Every letter of ${group.connector} that waits` : 'Every letter of this group that waits'} is decoded again, oldest first, at the rate of <span className="mono">dead_letters.replays_per_second</span>. How far it is shows above the list, also after a reload.</>}</p>
      <p className="dim small">What can be read is stored as if it had come that way, and cannot be taken out again. What still fails waits again with its replay count one higher. A letter is counted once, however often it is replayed.</p>
      {typeof value === 'string' && <p className="critical-ink small">{value}</p>}
      <button type="submit" className="btn primary" data-autofocus disabled={typeof value === 'string'}>{n === 1 ? 'Replay' : `Replay ${count(n)}`}</button>
    </form>
  );
}
