// Which signals have a picture, and its numbers in words. Pure.

import type { Signal } from '../../../api/types';
import { count, value } from '../../../ui/format';

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
  if (facts.value_before !== null && facts.value_now !== null) return `${value(facts.value_before)} → ${value(facts.value_now)} ${unit}`;
  if (facts.cases_now > 0 && facts.cases_before > 0) return `${percent(facts.hits_before / facts.cases_before)} → ${percent(facts.hits_now / facts.cases_now)} of ${count(facts.cases_now)}`;
  return sentence;
}

const percent = (share: number) => `${value(share * 100)} %`;

/** Under this, it is shown as what it is not: unusual. */
export const USUAL_SURPRISE = 4;
