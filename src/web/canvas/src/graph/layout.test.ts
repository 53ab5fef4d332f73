import { expect, test } from 'vitest';
import { NODE_HEIGHT, NODE_WIDTH, placesOf } from './layout';

test('callers stand above callees and nobody on top of another', () => {
  const nodes = ['gateway', 'checkout', 'payment', 'cart', 'lonely'];
  const places = placesOf({ nodes, edges: [['gateway', 'checkout'], ['checkout', 'payment'], ['checkout', 'cart']] });
  const y = (name: string) => places[name]?.y ?? NaN;
  expect(y('gateway')).toBeLessThan(y('checkout'));
  expect(y('checkout')).toBeLessThan(y('payment'));
  const all = Object.values(places);
  all.forEach((a, i) => all.slice(i + 1).forEach((b) => expect(Math.abs(a.x - b.x) >= NODE_WIDTH || Math.abs(a.y - b.y) >= NODE_HEIGHT).toBe(true)));
});

test('a call circle, a call to oneself and a call to nobody known are laid out too', () => {
  const places = placesOf({ nodes: ['a', 'b'], edges: [['a', 'b'], ['b', 'a'], ['a', 'a'], ['a', 'ghost']] });
  expect(Object.keys(places)).toEqual(['a', 'b']);
  expect(Object.values(places).every(({ x, y }) => Number.isFinite(x) && Number.isFinite(y))).toBe(true);
});

test('five hundred services are placed the same way twice', () => {
  const nodes = Array.from({ length: 500 }, (_, i) => `s${i}`);
  const edges = nodes.slice(1).map((name, i) => [`s${Math.floor(i / 3)}`, name] as const);
  expect(placesOf({ nodes, edges })).toEqual(placesOf({ nodes, edges }));
});
