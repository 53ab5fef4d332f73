import type { Notification } from '../api/types';
import { clock } from './format';
import { SeverityMark } from './marks';
import { useNow } from './now';
import { KIND_WORDS, channelName, deliverySays, toneOf } from './told';

/** One thing told, and what became of telling each channel. */
export function Told({ one, children }: { one: Notification; children?: React.ReactNode }) {
  const now = useNow(1000);
  return (
    <li className="told-one">
      <span className="dim small" title={`made ${one.made_at}`}>{clock(one.made_at)}</span>
      <span><b>{KIND_WORDS[one.kind]}</b> <span className="sec">{one.sentence}</span>{children}
        {one.deliveries.map((delivery) => {
          const tone = toneOf(delivery);
          return (
            <span key={delivery.channel} className="told-delivery small">
              <span className={tone === 'well' ? 'sec' : `sev ${tone}-ink`}>{tone !== 'well' && <SeverityMark severity={tone} size={10} />}{channelName(delivery.channel)}: {deliverySays(delivery, now)}</span>
              {delivery.state !== 'delivered' && delivery.last_error && <span className="mono told-why">{delivery.last_error}</span>}
            </span>
          );
        })}
      </span>
    </li>
  );
}
