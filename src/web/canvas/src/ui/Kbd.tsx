import { keyCaps } from './actions';

/** Key caps of a key text. Read aloud by nobody: the action beside it is. */
export function Kbd({ keys }: { keys: string }) {
  return <span aria-hidden="true" style={{ display: 'inline-flex', gap: 3 }}>{keyCaps(keys).map((cap, index) => <kbd key={index}>{cap}</kbd>)}</span>;
}

/** "move j k": what keys do, small, beside what they act on. */
export function Hint({ text, keys, className = '' }: { text: string; keys: readonly string[]; className?: string }) {
  return <span className={`hint ${className}`} aria-hidden="true">{text} {keys.map((key) => <Kbd key={key} keys={key} />)}</span>;
}
