const TAGS_SHOWN = 8;
const CHARS_MAX = 100;

/** Tags to put on or take off; a new one is typed. `tagged` are those that everything chosen has. */
export function TagForm({ known, tagged, tag }: { known: readonly string[]; tagged: readonly string[]; tag: (name: string, on: boolean) => void }) {
  const names = [...new Set([...tagged, ...known])].slice(0, TAGS_SHOWN);
  return (
    <form style={{ display: 'grid', gap: 6, width: 220 }} onSubmit={(event) => {
      event.preventDefault();
      const name = String(new FormData(event.currentTarget).get('tag') ?? '').trim();
      if (name && !tagged.includes(name)) tag(name, true);
    }}>
      <input className="input" name="tag" maxLength={CHARS_MAX} placeholder="A new tag" aria-label="Tag" required data-autofocus />
      {names.map((name) => {
        const on = tagged.includes(name);
        return <button type="button" className="btn" key={name} aria-pressed={on} onClick={() => tag(name, !on)}><span className="trunc grow">{name}</span>{on ? '✓' : ''}</button>;
      })}
    </form>
  );
}
