import { expect, test } from 'vitest';
import { readMessages } from './sse';

test('a message cut anywhere is read once it is whole', () => {
  const text = 'id: 7\nevent: heartbeat\ndata: {"a":1}\n\n: ping\n\nid: 8\nevent: reset\ndata:\n\n';
  for (let cut = 0; cut <= text.length; cut += 1) {
    const first = readMessages(text.slice(0, cut));
    const second = readMessages(first.rest + text.slice(cut));
    expect([...first.messages, ...second.messages]).toEqual([
      { id: '7', event: 'heartbeat', data: '{"a":1}' },
      { id: '8', event: 'reset', data: '' },
    ]);
    expect(second.rest).toBe('');
  }
});

test('a comment alone says nothing, and lines of data are joined', () => {
  expect(readMessages(':only\n\n').messages).toEqual([]);
  expect(readMessages('data: a\r\ndata: b\r\n\r\n').messages).toEqual([{ id: null, event: 'message', data: 'a\nb' }]);
});
