import { expect, test } from 'vitest';
import { NODE_HEIGHT, NODE_WIDTH, callId, layoutOf, lineThrough } from './layout';

const placesOf = (graph: Parameters<typeof layoutOf>[0]) => layoutOf(graph).places;

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

test('a call past a layer goes around what stands there', () => {
  const { places, ways, nodeWidth } = layoutOf({ nodes: ['gateway', 'checkout', 'inventory'], edges: [['gateway', 'checkout', true], ['checkout', 'inventory', true], ['gateway', 'inventory', true]] });
  const box = places.checkout ?? { x: NaN, y: NaN };
  const past = (ways[callId('gateway', 'inventory')] ?? []).filter(({ y }) => y >= box.y && y <= box.y + NODE_HEIGHT);
  expect(past.length).toBeGreaterThan(0);
  expect(past.every(({ x }) => x < box.x || x > box.x + nodeWidth)).toBe(true);
});

test('long names get room while the layers fit, and none when they do not', () => {
  expect(layoutOf({ nodes: ['recommendation', 'gateway'], edges: [['gateway', 'recommendation']] }).nodeWidth).toBeGreaterThan(140);
  const three = ['recommendation', 'payment', 'cart'];
  expect(layoutOf({ nodes: ['gateway', ...three], edges: three.map((name) => ['gateway', name] as const) }).nodeWidth).toBe(NODE_WIDTH);
});

test('a line ends where it should, whatever its corners', () => {
  const corners = [{ x: 10, y: 10 }, { x: 20, y: 20 }, { x: 20, y: 30 }];
  expect(lineThrough({ x: 0, y: 0 }, corners, { x: 5, y: 40 }).path).toMatch(/^M0,0 Q10,10 15,15 Q20,20 20,25 Q20,30 5,40$/);
  expect(lineThrough({ x: 0, y: 0 }, [], { x: 5, y: 40 }).path).toMatch(/^M0,0 C.* 5,40$/);
});
