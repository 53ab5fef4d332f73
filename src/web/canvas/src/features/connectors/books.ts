// The books in words: read = what became of it. Pure.

import type { ConnectorBooks, Ledger, LedgerSums, PartitionBooks } from '../../api/types';
import { count } from '../../ui/format';

const n = (value: number, one: string) => `${count(value)} ${one}${value === 1 ? '' : 's'}`;

/** `12 records read = 8 decoded + 2 seen before + 2 dead-lettered whole`, with what Kafka did not have. */
export function recordsLine(sums: LedgerSums): string {
  const gaps = [sums.missed ? `${n(sums.missed, 'offset')} missed: Kafka had removed them before they were read` : '', sums.absent ? `${n(sums.absent, 'offset')} without a record (compacted, control or aborted)` : ''].filter(Boolean);
  return `${n(sums.records_read, 'record')} read = ${count(sums.records_decoded)} decoded + ${count(sums.records_seen_before)} seen before + ${count(sums.records_rejected)} dead-lettered${gaps.length ? `; ${gaps.join('; ')}` : ''}.`;
}

/** `20 items decoded = 4 stored + 15 folded + 1 seen before`, with those that lie in dead letters. */
export function itemsLine(sums: LedgerSums): string {
  const rejected = sums.items_rejected ? `; ${n(sums.items_rejected, 'item')} more of records read in part ${sums.items_rejected === 1 ? 'lies' : 'lie'} in dead letters` : '';
  return `${n(sums.items_decoded, 'item')} in them = ${count(sums.items_stored)} stored + ${count(sums.items_folded)} folded + ${count(sums.items_seen_before)} seen before${rejected}.`;
}

/** What of a partition is not accounted for, as a sentence; empty when its books close. */
export function openLine({ unaccounted: { records, items, offsets } }: Pick<PartitionBooks, 'unaccounted'>): string {
  const part = (value: number, one: string) => (value === 0 ? '' : value > 0 ? `${n(value, one)} ${value === 1 ? 'is' : 'are'} unaccounted for` : `${n(-value, one)} too many ${value === -1 ? 'is' : 'are'} accounted for`);
  return [part(records, 'record'), part(items, 'item'), part(offsets, 'offset')].filter(Boolean).join(', ');
}

/** Name of a partition: `shop.logs / 3`, with the life of its topic after the first. */
export const partitionName = ({ partition: { topic, partition, incarnation } }: Pick<PartitionBooks, 'partition'>) => `${topic} / ${partition}${incarnation ? `, life ${incarnation + 1}` : ''}`;

const NAMES: Record<string, string> = { inbox: 'people’s writes', replay: 'replayed letters' };

/** A connector's name, and what our own two queues are. */
export const booksName = ({ connector }: Pick<ConnectorBooks, 'connector'>) => NAMES[connector] ?? connector;

/** Gaps that a person must know of: records that nobody can read any more, by partition, most first. */
export function gaps(ledger: Ledger): { connector: string; partition: string; missed: number }[] {
  const all = ledger.connectors.flatMap(({ connector, partitions }) => partitions.map((row) => ({ connector, partition: partitionName(row), missed: row.sums.missed })));
  return all.filter(({ missed }) => missed > 0).sort((a, b) => b.missed - a.missed);
}

/** The sums of what came from Kafka: our own queues hold what is counted there already. */
export function fromKafka(ledger: Ledger): LedgerSums {
  const sums = ledger.connectors.filter(({ connector }) => !(connector in NAMES)).map(({ sums: one }) => one);
  const total = (of: keyof LedgerSums) => sums.reduce((all, one) => all + one[of], 0);
  const names = ['records_read', 'records_decoded', 'records_seen_before', 'records_rejected', 'absent', 'missed', 'items_decoded', 'items_stored', 'items_folded', 'items_seen_before', 'items_rejected'] as const;
  return Object.fromEntries(names.map((name) => [name, total(name)])) as LedgerSums;
}
