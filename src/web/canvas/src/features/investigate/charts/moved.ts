// Which signals have a picture, and its numbers in words. Pure.

import type { Signal } from '../../../api/types';
import { count, unitText, value } from '../../../ui/format';
import type { Span } from '../timeline/model';

/** Strongest first, one a key, those with enough points to be a line. */
export function moved(signals: readonly Signal[], service: string | null): Signal[] {
  const seen = new Set<string>();
  const drawn = signals.filter(({ series, service: of, key }) => {
    const name = `${of.service}\0${key}`;
    if (series.length < 2 || seen.has(name)) return false;
    seen.add(name);
    return true;
  });
  const sorted = drawn.sort((a, b) => b.surprise - a.surprise);
  // A service that is asked about comes first; the others stay.
  return service ? [...sorted.filter((one) => one.service.service === service), ...sorted.filter((one) => one.service.service !== service)] : sorted;
}

/** `0.2 → 18.6 %`, from values where there are any, else from shares. */
export function movement({ facts, unit, sentence }: Signal): string {
  if (facts.value_before !== null && facts.value_now !== null) return `${value(facts.value_before)} → ${value(facts.value_now)} ${unitText(unit)}`.trim();
  if (facts.cases_now > 0 && facts.cases_before > 0) return `${percent(facts.hits_before / facts.cases_before)} → ${percent(facts.hits_now / facts.cases_now)} of ${count(facts.cases_now)}`;
  return sentence;
}

/** `Charge of payment`; a key that names its service already stays as it is. */
export function nameOf({ key, service: { service } }: Pick<Signal, 'key' | 'service'>): string {
  return key.startsWith(`${service}/`) || key.includes(` of ${service}`) ? key : `${key}, ${service}`;
}

/** The mean of its points within the brush; `null` where it has none. */
export function meanWithin({ series }: Pick<Signal, 'series'>, brush: Span): number | null {
  const inside = series.filter(({ at }) => Date.parse(at) >= brush.from && Date.parse(at) <= brush.to);
  return inside.length ? inside.reduce((sum, { value: one }) => sum + one, 0) / inside.length : null;
}

const percent = (share: number) => `${value(share * 100)} %`;

/** Under this, it is shown as what it is not: unusual. */
export const USUAL_SURPRISE = 4;

/** Of the view, the part in which there is something to see: where the series have points, the onset and the change included. */
export function chartSpan(signals: readonly Pick<Signal, 'series'>[], view: Span, marks: readonly (number | null)[]): Span {
  const times = [...signals.flatMap(({ series }) => [series[0], series.at(-1)].map((point) => Date.parse(point?.at ?? ''))), ...marks.map((mark) => mark ?? NaN)].filter((at) => at >= view.from && at <= view.to);
  if (times.length < 2) return view;
  const [from, to] = [Math.min(...times), Math.max(...times)];
  const margin = (to - from) * MARGIN;
  return to - from < SPAN_LEAST_MS ? view : { from: Math.max(view.from, from - margin), to: Math.min(view.to, to + margin) };
}

const MARGIN = 0.04;
const SPAN_LEAST_MS = 60_000;
