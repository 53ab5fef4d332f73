import { expect, test } from 'vitest';
import { splitBy } from './RichSentence';

const mark = (text: string) => ({ text, render: () => null });
const texts = (parts: ReturnType<typeof splitBy>) => parts.map((part) => (typeof part === 'string' ? part : `<${part.text}>`));

test('a name is marked where it stands as a word, in any case, once', () => {
  expect(texts(splitBy('checkout-v2 fails; Checkout too', [mark('checkout')]))).toEqual(['<checkout>', '-v2 fails; Checkout too']);
  expect(texts(splitBy('precheckout fails', [mark('checkout')]))).toEqual(['precheckout fails']);
});

test('marks do not tear each other apart', () => {
  expect(texts(splitBy('payment fails after deploy of payment', [mark('deploy of payment'), mark('payment')]))).toEqual(['<payment>', ' fails after ', '<deploy of payment>']);
});
