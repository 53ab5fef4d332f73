import { expect, test } from 'vitest';
import type { ConnectorBooks, LedgerSums, PartitionBooks } from '../../api/types';
import { fromKafka, gaps, itemsLine, openLine, partitionName, recordsLine } from './books';

const sums: LedgerSums = { records_read: 1_200, records_decoded: 1_190, records_seen_before: 4, records_rejected: 6, absent: 0, missed: 0, items_decoded: 9_000, items_stored: 20, items_folded: 8_980, items_seen_before: 0, items_rejected: 0 };
const partition = (more: Partial<LedgerSums>, partitionNo = 0): PartitionBooks => ({ connector: 'logs', partition: { cluster: 'c', topic: 'shop.logs', incarnation: 0, partition: partitionNo }, first_offset: 0, next_offset: 1_196, topic_id: null, sums: { ...sums, ...more }, unaccounted: { records: 0, items: 0, offsets: 0 } });
const books = (connector: string, ...partitions: PartitionBooks[]): ConnectorBooks => ({ connector, closes: true, sums: partitions[0]!.sums, partitions });

test('what was read is the sum of what became of it, in words', () => {
  expect(recordsLine(sums)).toBe('1,200 records read = 1,190 decoded + 4 seen before + 6 dead-lettered.');
  expect(recordsLine({ ...sums, missed: 1, absent: 2 })).toBe('1,200 records read = 1,190 decoded + 4 seen before + 6 dead-lettered; 1 offset missed: Kafka had removed them before they were read; 2 offsets without a record (compacted, control or aborted).');
  expect(itemsLine({ ...sums, items_rejected: 3 })).toBe('9,000 items in them = 20 stored + 8,980 folded + 0 seen before; 3 items more of records read in part lie in dead letters.');
});

test('what does not close is said with its number, in both directions', () => {
  expect(openLine(partition({}))).toBe('');
  expect(openLine({ unaccounted: { records: 1, items: -2, offsets: 0 } })).toBe('1 record is unaccounted for, 2 items too many are accounted for');
});

test('gaps are named by partition, the largest first', () => {
  const ledger = { closes: true, sums, connectors: [books('logs', partition({ missed: 3 }), partition({ missed: 48 }, 1), partition({}, 2))] };
  expect(gaps(ledger)).toEqual([{ connector: 'logs', partition: 'shop.logs / 1', missed: 48 }, { connector: 'logs', partition: 'shop.logs / 0', missed: 3 }]);
  expect(partitionName({ partition: { cluster: 'c', topic: 't', incarnation: 1, partition: 2 } })).toBe('t / 2, life 2');
});

test('replays and people are not counted as read from Kafka again', () => {
  const ledger = { closes: true, sums, connectors: [books('logs', partition({})), books('replay', partition({})), books('inbox', partition({}))] };
  expect(fromKafka(ledger).records_read).toBe(1_200);
});
