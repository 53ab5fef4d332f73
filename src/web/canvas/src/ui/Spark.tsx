import { memo } from 'react';
import type { Severity } from '../api/types';

const WIDTH = 120;
const HEIGHT = 24;

/** Failing items over two hours. Buckets well above the median of all are in the colour of the severity. */
export const Spark = memo(function Spark({ values, severity }: { values: readonly number[]; severity: Severity }) {
  const top = Math.max(1, ...values);
  const step = WIDTH / Math.max(60, values.length);
  const fill = `var(--${severity === 'critical' ? 'critical-fill' : severity})`;
  const quiet: string[] = [];
  const loud: string[] = [];
  values.forEach((value, index) => {
    const height = Math.max(0.7, (value / top) * 20);
    const bar = `M${(index * step).toFixed(1)} 22V${(22 - height).toFixed(1)}H${((index + 0.75) * step).toFixed(1)}V22Z`;
    (value > top * 0.3 ? loud : quiet).push(bar);
  });
  const last = values.at(-1) ?? 0;
  return (
    <svg width={WIDTH} height={HEIGHT} role="img" aria-label={values.length ? `failing items: most ${top} a bucket, last ${last}` : 'no failing items'}>
      <path d={quiet.join('')} fill="var(--line3)" />
      <path d={loud.join('')} fill={fill} />
      <path d={`M0 22.5H${WIDTH}`} stroke="var(--line)" />
    </svg>
  );
});
