import { useQuery } from '@tanstack/react-query';
import { useLive } from '../../api/live';
import { queries } from '../../api/queries';
import { count } from '../../ui/format';
import { Kbd } from '../../ui/Kbd';
import { troubles } from '../../ui/standing';
import { Empty } from '../../ui/states';

/** An empty list, and what that means: nothing is broken, nothing is judged yet, or nothing is seen at all. */
export function NothingFound() {
  const { watermark, state } = useLive();
  const { data = [] } = useQuery(queries.connectors());
  const blind = data.length > 0 && troubles(data, Date.now()).flatMap(({ names }) => names).length === data.length;
  const read = data.reduce((sum, one) => sum + one.records_total, 0);
  const left = data.reduce((sum, one) => sum + one.lag_records, 0);
  if (state === 'broken') return <Empty title="Nothing was open when the server last answered" center />;
  if (blind) return <Empty title="No source is read, so nothing can be found" center><span>What is wrong stands above; it is tried again by itself.</span></Empty>;
  if (!watermark && data.length > 0) {
    return <Empty title="Nothing is judged yet" center><span>{count(read)} records read{left > 0 ? `, ${count(left)} to go` : ''}. An investigation opens here by itself when something breaks.</span></Empty>;
  }
  return <Empty title="Nothing is broken that we can see" center><span>An investigation opens here by itself when something breaks. To open one by hand, press <Kbd keys="c" />.</span></Empty>;
}
