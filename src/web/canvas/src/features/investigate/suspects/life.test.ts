import { expect, test } from 'vitest';
import { clock } from '../../../ui/format';
import { lifeLine } from './life';

type Steps = Parameters<typeof lifeLine>[0];
const step = (name: string, minute: number, environment: string | null = null) => ({ step: name, at: `2026-11-23T14:${String(minute).padStart(2, '0')}:00Z`, environment, service: null, event_id: 'e' }) as Steps[number];
const at = (minute: number) => clock(`2026-11-23T14:${String(minute).padStart(2, '0')}:00Z`, false);

test('a life is told from the commit to where it runs', () => {
  expect(lifeLine([step('committed', 1), step('merged', 4), step('built', 6), step('built', 7), step('deployed', 9, 'production')]))
    .toBe(`committed ${at(1)} · merged ${at(4)} · built ${at(7)} · deployed to production ${at(9)}`);
});

test('a roll back and a failure are said as a person says them', () => {
  expect(lifeLine([step('build_failed', 1), step('rolled_back', 9, 'production')])).toBe(`build failed ${at(1)} · rolled back in production ${at(9)}`);
});

test('a long life keeps its first and its last steps', () => {
  const line = lifeLine(Array.from({ length: 20 }, (_, n) => step(n % 2 ? 'deployed' : 'deploying', n, 'production')));
  expect(line.startsWith(`being deployed in production ${at(0)} · … · `) && line.endsWith(`deployed to production ${at(19)}`)).toBe(true);
  expect(line.split(' · ')).toHaveLength(6);
});

test('what has no life has no line', () => expect(lifeLine([])).toBe(''));
