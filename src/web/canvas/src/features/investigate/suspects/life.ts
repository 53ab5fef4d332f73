// The life of a change in one line. Pure.

import type { Suspect } from '../../../api/types';
import { clock } from '../../../ui/format';

type Step = NonNullable<Suspect['life']>[number];

const SAID: Partial<Record<Step['step'], string>> = { deploying: 'being deployed', rolled_back: 'rolled back', build_failed: 'build failed', deployment_failed: 'deployment failed' };
/** More steps than fit a line: the first says where it comes from, the last ones what it did. */
const MOST = 6;

/** `committed 13:58 · merged 14:01 · deployed to production 14:09`; of steps alike in a row the last. */
export function lifeLine(life: readonly Step[]): string {
  const last = life.filter((step, index) => { const next = life[index + 1]; return next?.step !== step.step || next.environment !== step.environment; });
  const text = ({ step, environment, at }: Step) => `${SAID[step] ?? step}${environment ? ` ${step === 'deployed' ? 'to' : 'in'} ${environment}` : ''} ${clock(at, false)}`;
  const [first, ...rest] = last.map(text);
  if (first === undefined) return '';
  return (rest.length < MOST ? [first, ...rest] : [first, '…', ...rest.slice(2 - MOST)]).join(' · ');
}
