import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useRef } from 'react';
import { explain } from '../../api/client';
import { commands } from '../../api/commands';
import { queries } from '../../api/queries';
import type { Alias } from '../../api/types';
import { useActions } from '../../ui/actions';
import { shortTime } from '../../ui/format';
import { Kbd } from '../../ui/Kbd';
import { Failed } from '../../ui/states';
import { say } from '../../ui/toasts';
import { useUrl } from '../../ui/url';

/** Names that mean another service, and who said so: a person adds one, changes it or takes it back. */
export function Aliases() {
  const client = useQueryClient();
  const [params, patch] = useUrl();
  const { data, error, dataUpdatedAt, refetch } = useQuery(queries.aliases());
  const open = params.get('names') === '1';
  const toggle = () => patch({ names: open ? null : '1' });
  useActions('Connectors', [{ id: 'names', title: open ? 'Close the names of services' : 'Names that mean another service', keys: ['a'], run: toggle }]);
  const write = async (done: string, order: () => Promise<unknown>, undo?: () => void) => {
    let taken = true;
    try {
      await order();
      say(done, undo ? { undo } : {});
    } catch (failure) {
      taken = false;
      say(`Not taken: ${explain(failure)}`, { bad: true });
    }
    void client.invalidateQueries({ queryKey: ['aliases'] });
    return taken;
  };
  const remove = (alias: Alias) => void write(`${alias.name} means itself again`, () => commands.removeAlias(alias.name), () => set(alias.name, alias.service, alias.reason));
  const set = (name: string, service: string, reason: string) => {
    const before = data?.find((alias) => alias.name === name && alias.origin === 'person');
    const back = () => (before ? set(name, before.service, before.reason) : write(`${name} means itself again`, () => commands.removeAlias(name)));
    return write(`${name} means ${service} from now on`, () => commands.setAlias(name, service, reason), () => void back());
  };
  return (
    <details className="stages names" open={open}>
      <summary onClick={(event) => { event.preventDefault(); toggle(); }}>Names that mean another service{data ? `: ${data.length}` : ''} <Kbd keys="a" /></summary>
      {open && error && <Failed error={error} what="The names" shownSince={data ? dataUpdatedAt : undefined} retry={() => void refetch()} />}
      {open && data && data.length > 0 && <Table aliases={data} remove={remove} />}
      {open && <NameForm set={set} />}
    </details>
  );
}

function Table({ aliases, remove }: { aliases: readonly Alias[]; remove: (alias: Alias) => void }) {
  return (
    <div className="names-table" tabIndex={0} role="region" aria-label="Names">
      <table className="twin">
        <thead><tr><th scope="col">Name</th><th scope="col">Means</th><th scope="col">Who</th><th scope="col">When</th><th scope="col">Why</th><th scope="col"><span className="sr-only">What to do</span></th></tr></thead>
        <tbody>{aliases.map((alias) => (
          <tr key={`${alias.origin} ${alias.name}`} className={alias.in_force ? '' : 'dim'}>
            <td className="mono">{alias.name}</td>
            <td className="mono">{alias.service}</td>
            <td>{alias.set_by}</td>
            <td className="mono"><time dateTime={alias.set_at} title={alias.set_at}>{shortTime(alias.set_at, Date.now())}</time></td>
            <td>{alias.reason}{!alias.in_force && '; a person’s word goes before it'}</td>
            <td>{alias.origin === 'person' && <button type="button" className="btn ghost small" onClick={() => remove(alias)}>Take back<span className="sr-only"> {alias.name}</span></button>}</td>
          </tr>
        ))}</tbody>
      </table>
    </div>
  );
}

function NameForm({ set }: { set: (name: string, service: string, reason: string) => Promise<boolean> }) {
  const form = useRef<HTMLFormElement>(null);
  return (
    <form ref={form} className="names-form" aria-label="A name" onSubmit={(event) => {
      event.preventDefault();
      const typed = new FormData(event.currentTarget);
      const field = (name: string) => String(typed.get(name) ?? '').trim();
      void set(field('name'), field('service'), field('reason')).then((taken) => taken && form.current?.reset());
    }}>
      <label className="field">Name <input className="input" name="name" required maxLength={200} placeholder="svc-a" /></label>
      <label className="field">Means the service <input className="input" name="service" required maxLength={200} placeholder="checkout" /></label>
      <label className="field">Reason <input className="input" name="reason" required maxLength={500} placeholder="renamed in March" /></label>
      <button type="submit" className="btn primary">Set</button>
      <p className="dim small">It holds for what is read from now on; what is stored stays. Who, when and why are kept.</p>
    </form>
  );
}
