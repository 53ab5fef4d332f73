import { placesOf, type LayoutAnswer, type LayoutRequest } from './layout';

self.onmessage = ({ data }: MessageEvent<LayoutRequest>) => {
  const answer: LayoutAnswer = { ticket: data.ticket, places: placesOf(data) };
  self.postMessage(answer);
};
