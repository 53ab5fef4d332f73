import { useMediaQuery } from '@mantine/hooks';
import { useVirtualizer } from '@tanstack/react-virtual';
import { ChevronDown, ChevronRight } from 'lucide-react';
import { useEffect, useRef } from 'react';
import type { ListItem } from './filters';
import { Row } from './Row';

interface Props {
  items: readonly ListItem[];
  cursor: string | null;
  selected: ReadonlySet<string>;
  now: number;
  select: (id: string, range: boolean) => void;
  open: (id: string) => void;
  fold: (key: string) => void;
  reachedEnd: () => void;
  reading: boolean;
}

const COLUMNS = [['c-check', ''], ['c-sev', 'Severity'], ['c-what', 'What'], ['c-suspect', 'First suspect'], ['c-score', 'Score'], ['c-spark', 'Signal, 2 h'], ['c-status', 'Status'], ['c-who', 'Who'], ['c-since', 'Since ↓']] as const;

/** Only the rows in sight are in the page, so that ten thousand scroll like ten. */
export function List({ items, cursor, selected, now, select, open, fold, reachedEnd, reading }: Props) {
  const scroller = useRef<HTMLDivElement>(null);
  const narrow = useMediaQuery('(max-width: 759px)', false, { getInitialValueInEffect: false });
  const virtual = useVirtualizer({
    count: items.length,
    getScrollElement: () => scroller.current,
    estimateSize: (index) => (items[index]?.type === 'group' ? 32 : narrow ? 92 : 52),
    getItemKey: (index) => items[index]?.key ?? index,
    overscan: 12,
  });
  useEffect(() => virtual.measure(), [narrow, items, virtual]);
  const cursorAt = items.findIndex(({ key }) => key === cursor);
  useEffect(() => {
    if (cursorAt >= 0) virtual.scrollToIndex(cursorAt, { align: 'auto' });
  // Only a moved cursor scrolls; rows that arrive do not.
  // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [cursor]);
  const shown = virtual.getVirtualItems();
  const lastShown = shown.at(-1)?.index ?? 0;
  useEffect(() => {
    if (lastShown >= items.length - 10) reachedEnd();
  }, [lastShown, items.length, reachedEnd]);
  return (
    <div className="list" role="grid" aria-label="Investigations" aria-rowcount={items.length + 1} aria-multiselectable="true" tabIndex={0} ref={scroller} aria-activedescendant={cursor ? `row-${cursor}` : undefined}>
      <div role="rowgroup" className="list-head">
        <div role="row" className="tr th">{COLUMNS.map(([name, title]) => <span role="columnheader" key={name} className={name}>{title || <span className="sr-only">Select</span>}</span>)}</div>
      </div>
      <div role="rowgroup" style={{ height: virtual.getTotalSize(), position: 'relative' }}>
        {shown.map(({ index, start, size, key }) => {
          const item = items[index];
          if (!item) return null;
          return (
            <div key={key} role="presentation" style={{ position: 'absolute', top: 0, left: 0, right: 0, height: size, transform: `translateY(${start}px)` }}
              onClick={(event) => item.type === 'row' && !(event.target as Element).closest('input,a') && open(item.row.id)}>
              {item.type === 'row'
                ? <Row row={item.row} current={item.key === cursor} selected={selected.has(item.key)} now={now} select={select} />
                : <GroupHead item={item} folded={items[index + 1]?.type !== 'row'} fold={fold} />}
            </div>
          );
        })}
      </div>
      {reading && <div className="dim" role="status" style={{ padding: '8px 16px' }}>Reading more…</div>}
    </div>
  );
}

function GroupHead({ item, folded, fold }: { item: Extract<ListItem, { type: 'group' }>; folded: boolean; fold: (key: string) => void }) {
  const Chevron = folded ? ChevronRight : ChevronDown;
  return (
    <div role="row" className="group-head">
      <span role="gridcell" aria-colspan={9}>
        <button type="button" aria-expanded={!folded} onClick={() => fold(item.key)}><Chevron size={14} aria-hidden="true" /><b>{item.title}</b> <span className="dim">{item.count}{item.more ? '+' : ''}</span></button>
      </span>
    </div>
  );
}
