import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { Link } from 'wouter';
import { queries } from '../../api/queries';
import type { Channel, DeliveryState } from '../../api/types';
import { Told as One } from '../../ui/Deliveries';
import { count, shortId } from '../../ui/format';
import { SeverityMark } from '../../ui/marks';
import { useNow } from '../../ui/now';
import { PageTop } from '../../ui/PageTop';
import { Empty, Failed, GhostRows } from '../../ui/states';
import { channelName, channelSays } from '../../ui/told';
import { useUrl } from '../../ui/url';
import './told.css';

const STATES: readonly { state: DeliveryState | ''; title: string }[] = [{ state: '', title: 'All' }, { state: 'waiting', title: 'Waiting' }, { state: 'given_up', title: 'Given up' }, { state: 'delivered', title: 'Delivered' }];

/** Who is told of investigations, what they were told, and what did not arrive. */
export default function Told() {
  const [params, patch] = useUrl();
  const state = STATES.find((one) => one.state === params.get('state')) ?? STATES[0]!;
  const channel = params.get('channel');
  const channels = useQuery(queries.channels());
  const list = useInfiniteQuery(queries.notifications({ state: state.state || null, channel }));
  const told = list.data?.pages.flatMap(({ items }) => items) ?? [];
  const first = list.data?.pages[0];
  return (
    <main id="main" className="page told">
      <PageTop title="Told">{first && <span className="dim mid">{count(first.total)}{first.totalExact ? '' : ' or more'}</span>}</PageTop>
      <div>
        {channels.error && <Failed error={channels.error} what="The channels" retry={() => void channels.refetch()} />}
        {channels.data && <Channels channels={channels.data} />}
        <div className="bar">
          <div className="seg" role="group" aria-label="State">{STATES.map(({ state: name, title }) => <button type="button" key={title} aria-pressed={state.state === name} onClick={() => patch({ state: name || null })}>{title}</button>)}</div>
          {channel && <button type="button" className="token" onClick={() => patch({ channel: null })}>channel:<b>{channelName(channel)}</b> ×</button>}
        </div>
        {list.error && <Failed error={list.error} what="What was told" shownSince={told.length ? list.dataUpdatedAt : undefined} retry={() => void list.refetch()} />}
      </div>
      <section className="told-list" aria-label="Notifications" tabIndex={0}>
        {list.isPending && !list.error ? <GhostRows /> : told.length ? (
          <ul>
            {told.map((one) => <One key={one.id} one={one}> <Link className="link mono small" href={`/investigations/${encodeURIComponent(one.investigation_id)}`}>{shortId(one.investigation_id)}</Link></One>)}
            {list.hasNextPage && <li><button type="button" className="link" disabled={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>{list.isFetchingNextPage ? 'Reading…' : 'More'}</button></li>}
          </ul>
        ) : !list.error && (
          <Empty title={state.state || channel ? 'Nothing matches' : 'Nobody was told anything yet'} center>
            {!channels.data?.length && <span>Name who is to be told under <span className="mono">[tell]</span>: Alertmanager, a webhook, a Kafka topic. <span className="mono">whydunit tell --test</span> tries it.</span>}
          </Empty>
        )}
      </section>
    </main>
  );
}

function Channels({ channels }: { channels: readonly Channel[] }) {
  const now = useNow(1000);
  if (!channels.length) return null;
  return (
    <ul className="told-channels" aria-label="Channels">
      {channels.map((one) => {
        const { tone, text } = channelSays(one, now);
        return <li key={one.name}><b>{channelName(one.name)}</b> <span className="mono dim trunc" title={one.target}>{one.target}</span><span className={tone === 'well' ? 'sec' : `sev ${tone}-ink`}>{tone !== 'well' && <SeverityMark severity={tone} />}{text}</span></li>;
      })}
    </ul>
  );
}
