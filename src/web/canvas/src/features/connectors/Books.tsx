import { useQuery } from '@tanstack/react-query';
import { Check, TriangleAlert } from 'lucide-react';
import { queries } from '../../api/queries';
import type { ConnectorBooks, Ledger, PartitionBooks } from '../../api/types';
import { useActions } from '../../ui/actions';
import { count, shortCount } from '../../ui/format';
import { Kbd } from '../../ui/Kbd';
import { Failed } from '../../ui/states';
import { useUrl } from '../../ui/url';
import { booksName, fromKafka, gaps, itemsLine, openLine, partitionName, recordsLine } from './books';

/** What became of every record read: the sums, whether they close, and the partitions behind them. */
export function Books() {
  const [params, patch] = useUrl();
  const { data, error, dataUpdatedAt, refetch } = useQuery(queries.ledger());
  const open = params.get('books') === '1';
  const toggle = () => patch({ books: open ? null : '1', of: null });
  useActions('Connectors', [{ id: 'books', title: open ? 'Close the books' : 'Open the books: what became of every record', keys: ['b'], run: toggle }]);
  if (error && !data) return <Failed error={error} what="The books" retry={() => void refetch()} />;
  if (!data) return <section className="totals" aria-label="Books" aria-busy="true"><div><div className="label">Records read</div><div className="totals-n">–</div></div></section>;
  return (
    <section aria-label="Books">
      <Equation ledger={data} open={open} toggle={toggle} />
      <Loud ledger={data} />
      {error && <Failed error={error} what="The books" shownSince={dataUpdatedAt} retry={() => void refetch()} />}
      {open && <div className="books" tabIndex={0} role="region" aria-label="Books by connector">{data.connectors.map((one) => <Of key={one.connector} books={one} open={params.get('of') === one.connector} toggle={(of) => patch({ of })} />)}{data.connectors.length === 0 && <p className="dim">Nothing is booked yet: the books are written with the first checkpoint, some seconds after the start.</p>}</div>}
    </section>
  );
}

function Equation({ ledger, open, toggle }: { ledger: Ledger; open: boolean; toggle: () => void }) {
  const sums = fromKafka(ledger);
  const cells: [sign: string, name: string, value: number, about: string][] = [
    ['', 'Records read', sums.records_read, 'since the first start'],
    ['=', 'decoded', sums.records_decoded, `${count(sums.items_decoded)} items: ${count(sums.items_stored)} stored, ${count(sums.items_folded)} folded, ${count(sums.items_seen_before)} seen before`],
    ['+', 'seen before', sums.records_seen_before, 'delivered again by Kafka, counted once'],
    ['+', 'dead-lettered', sums.records_rejected, 'kept whole under Dead letters'],
  ];
  return (
    <div className="totals">
      {cells.map(([sign, name, value, about]) => <div key={name} className="totals-cell">{sign && <span className="totals-sign" aria-hidden="true">{sign}</span>}<div title={about}><div className="label">{name}</div><div className="totals-n" title={`${count(value)}: ${about}`}>{value < 1e9 ? count(value) : shortCount(value)}</div></div></div>)}
      <div className="totals-verdict end">
        {ledger.closes ? <span className="sev well-ink"><Check size={13} aria-hidden="true" />The sum is exact</span> : <span className="sev critical-ink"><TriangleAlert size={13} aria-hidden="true" />The books do not close</span>}
        <span className="label">{count(sums.items_decoded)} items: {count(sums.items_stored)} stored, {count(sums.items_folded)} folded</span>
      </div>
      <button type="button" className="btn" aria-expanded={open} onClick={toggle}>{open ? 'Close books' : 'Books'} <Kbd keys="b" /></button>
    </div>
  );
}

const GAPS_SHOWN = 3;

/** What nobody can read any more, and what does not add up. Never in a corner. */
function Loud({ ledger }: { ledger: Ledger }) {
  const lost = gaps(ledger);
  const openRows = ledger.connectors.flatMap((one) => one.partitions.filter((row) => openLine(row)).map((row) => ({ one, row })));
  const missed = lost.reduce((sum, one) => sum + one.missed, 0);
  return (
    <>
      {openRows.length > 0 && <div className="banner loud-books" role="alert"><TriangleAlert size={15} aria-hidden="true" /><span className="grow"><b>The books do not close.</b> {openRows.slice(0, GAPS_SHOWN).map(({ one, row }) => `${booksName(one)}, ${partitionName(row)}: ${openLine(row)}`).join('. ')}. That is a defect: run <span className="mono">whydunit verify</span> and report what it says.</span></div>}
      {missed > 0 && <div className="banner loud-books" role="alert"><TriangleAlert size={15} aria-hidden="true" /><span className="grow"><b>{count(missed)} {missed === 1 ? 'record was' : 'records were'} missed:</b> Kafka’s retention removed {missed === 1 ? 'it' : 'them'} before {missed === 1 ? 'it was' : 'they were'} read. {lost.slice(0, GAPS_SHOWN).map((one) => `${one.connector}, ${one.partition}: ${count(one.missed)}`).join('; ')}{lost.length > GAPS_SHOWN ? `; ${lost.length - GAPS_SHOWN} more partitions` : ''}. Raise the topic’s <span className="mono">retention.ms</span> above the longest time that whydunit may be down.</span></div>}
    </>
  );
}

function Of({ books, open, toggle }: { books: ConnectorBooks; open: boolean; toggle: (of: string | null) => void }) {
  return (
    <article className="books-of">
      <div className="row books-head">
        <button type="button" className="btn ghost small" aria-expanded={open} onClick={() => toggle(open ? null : books.connector)}>{open ? '▾' : '▸'} {books.partitions.length}<span className="sr-only"> {books.partitions.length === 1 ? 'partition' : 'partitions'} of {booksName(books)}</span></button>
        <b className="books-name trunc" title={booksName(books)}>{booksName(books)}</b>
        <p className="grow">{recordsLine(books.sums)} <span className="sec">{itemsLine(books.sums)}</span></p>
        <span className={`sev ${books.closes ? 'well-ink' : 'critical-ink'}`}>{books.closes ? <><Check size={12} aria-hidden="true" />closes</> : 'does not close'}</span>
      </div>
      {open && <Partitions rows={books.partitions} />}
    </article>
  );
}

function Partitions({ rows }: { rows: readonly PartitionBooks[] }) {
  return (
    <div className="books-table" tabIndex={0} role="region" aria-label="Partitions">
      <table className="twin">
        <thead><tr><th>Partition</th><th className="r">Offsets</th><th className="r">Read</th><th className="r">Decoded</th><th className="r">Seen before</th><th className="r">Dead-lettered</th><th className="r">Missed</th><th className="r">Absent</th><th className="r">Items</th><th className="r">Stored</th><th className="r">Folded</th><th className="r">Seen before</th><th>Balance</th></tr></thead>
        <tbody>{rows.map((row) => {
          const { sums } = row;
          return (
            <tr key={partitionName(row) + row.partition.cluster}>
              <td className="mono" title={`cluster ${row.partition.cluster}${row.topic_id ? `, topic id ${row.topic_id}` : ''}`}>{partitionName(row)}</td>
              <td className="r">{count(row.first_offset)} – {count(row.next_offset)}</td>
              {[sums.records_read, sums.records_decoded, sums.records_seen_before, sums.records_rejected].map((value, index) => <td key={index} className="r">{count(value)}</td>)}
              <td className={`r ${sums.missed ? 'critical-ink books-missed' : ''}`}>{count(sums.missed)}</td><td className="r">{count(sums.absent)}</td>
              {[sums.items_decoded, sums.items_stored, sums.items_folded, sums.items_seen_before].map((value, index) => <td key={index} className="r">{count(value)}</td>)}
              <td>{openLine(row) ? <b className="critical-ink">{openLine(row)}</b> : 'closes'}</td>
            </tr>
          );
        })}</tbody>
      </table>
    </div>
  );
}
