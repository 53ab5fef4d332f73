import { useState } from 'react';
import type { Facet, Severity } from '../../api/types';
import { SeverityLabel } from '../../ui/marks';
import { words } from '../../ui/format';
import type { UrlPatch } from '../../ui/url';
import { FACETS } from './filters';

const SHOWN = 5;
const ORDERS: Readonly<Record<string, readonly string[]>> = { severity: ['critical', 'high', 'medium', 'low', 'info'], status: ['open', 'in_progress', 'resolved', 'closed'], priority: ['p0', 'p1', 'p2', 'p3'] };

export function Facets({ facets, params, patch }: { facets: readonly Facet[] | undefined; params: URLSearchParams; patch: (change: UrlPatch) => void }) {
  const known = FACETS.map(({ field, title }) => ({ field, title, values: facets?.find((facet) => facet.field === field || facet.field === `impact_${field}`)?.values.filter(({ value }) => value) ?? [] }));
  return (
    <aside className="facets" aria-label="Filters">
      {known.map(({ field, title, values }) => {
        const chosen = params.getAll(field);
        // A chosen value that no longer matches anything stays visible, so that it can be taken off.
        const order = ORDERS[field];
        const unsorted = [...values, ...chosen.filter((value) => !values.some((other) => other.value === value)).map((value) => ({ value, count: 0 }))];
        const all = order ? unsorted.sort((a, b) => order.indexOf(a.value) - order.indexOf(b.value)) : unsorted;
        if (!all.length) return null;
        return <FacetSection key={field} field={field} title={title} values={all} chosen={chosen} choose={(next) => patch({ [field]: next })} />;
      })}
    </aside>
  );
}

function FacetSection({ field, title, values, chosen, choose }: {
  field: string; title: string; values: readonly { value: string; count: number }[]; chosen: readonly string[]; choose: (next: readonly string[]) => void;
}) {
  const [all, setAll] = useState(false);
  const shown = all ? values : values.filter(({ value }, index) => index < SHOWN || chosen.includes(value));
  const hidden = values.length - shown.length;
  return (
    <fieldset>
      <legend className="label">{title}</legend>
      {shown.map(({ value, count }) => (
        <label key={value}>
          <input type="checkbox" className="check" checked={chosen.includes(value)} onChange={(event) => choose(event.target.checked ? [...chosen, value] : chosen.filter((one) => one !== value))} />
          <span className="grow trunc" title={value}><FacetName field={field} value={value} /></span>
          <span className="dim">{count}</span>
        </label>
      ))}
      {hidden > 0 && <button type="button" className="facet-more" onClick={() => setAll(true)}>{hidden} more</button>}
    </fieldset>
  );
}

function FacetName({ field, value }: { field: string; value: string }) {
  if (field === 'severity' && ORDERS.severity?.includes(value)) return <SeverityLabel severity={value as Severity} />;
  if (field === 'priority') return <>{value.toUpperCase()}</>;
  if (field === 'status') return <>{words(value)}</>;
  return <>{value}</>;
}
