// Server-sent events as text: pure, so that every cut of the stream can be tested.

export interface Message {
  id: string | null;
  event: string;
  data: string;
}

/** Takes what has arrived, gives the whole messages in it and the unfinished rest. */
export function readMessages(text: string): { messages: Message[]; rest: string } {
  const parts = text.replace(/\r\n?/g, '\n').split('\n\n');
  const rest = parts.pop() ?? '';
  return { messages: parts.map(readMessage).filter((message) => message !== null), rest };
}

function readMessage(block: string): Message | null {
  const message: Message = { id: null, event: 'message', data: '' };
  let seen = false;
  for (const line of block.split('\n')) {
    if (line === '' || line.startsWith(':')) continue;
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    seen = true;
    if (field === 'id') message.id = value;
    else if (field === 'event') message.event = value;
    else if (field === 'data') message.data += (message.data && '\n') + value;
  }
  return seen ? message : null;
}
