import { layoutOf, type LayoutAnswer, type LayoutRequest } from './layout';

self.onmessage = ({ data }: MessageEvent<LayoutRequest>) => {
  const answer: LayoutAnswer = { ticket: data.ticket, ...layoutOf(data) };
  self.postMessage(answer);
};
