/** Where one can go, in the order of the rail. */
export const PLACES = [
  { place: 'investigations', title: 'Investigations', keys: 'g i' },
  { place: 'events', title: 'Events', keys: 'g e' },
  { place: 'connectors', title: 'Connectors', keys: 'g c' },
  { place: 'dead-letters', title: 'Dead letters', keys: 'g d' },
  { place: 'told', title: 'Told', keys: 'g t' },
] as const;
