// Numbers and times as the page writes them. All times are UTC: at three in the morning nobody converts time zones.

const pad = (n: number) => String(n).padStart(2, '0');

/** `14:02:10` */
export function clock(time: string | number, seconds = true): string {
  const at = new Date(time);
  if (Number.isNaN(at.getTime())) return '–';
  return `${pad(at.getUTCHours())}:${pad(at.getUTCMinutes())}${seconds ? `:${pad(at.getUTCSeconds())}` : ''}`;
}

/** `14:02:10.214`, without the zeros that say nothing. */
export function exactClock(time: string): string {
  const at = new Date(time);
  if (Number.isNaN(at.getTime())) return '–';
  const ms = at.getUTCMilliseconds();
  return clock(time) + (ms ? `.${String(ms).padStart(3, '0')}` : '');
}

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** `14:02` today, `Thu 22:17` this week, `3 Nov 22:17` before. `now` in ms. */
export function shortTime(time: string, now: number, seconds = false): string {
  const at = new Date(time);
  if (Number.isNaN(at.getTime())) return '–';
  const day = (ms: number) => Math.floor(ms / 86_400_000);
  const age = day(now) - day(at.getTime());
  if (age === 0) return clock(time, seconds);
  if (age > 0 && age < 7) return `${DAYS[at.getUTCDay()]} ${clock(time, false)}`;
  const year = at.getUTCFullYear() === new Date(now).getUTCFullYear() ? '' : ` ${at.getUTCFullYear()}`;
  return `${at.getUTCDate()} ${MONTHS[at.getUTCMonth()]}${year} ${clock(time, false)}`;
}

/** `23 Nov` */
export function dayText(time: string | number): string {
  const at = new Date(time);
  return `${at.getUTCDate()} ${MONTHS[at.getUTCMonth()]}`;
}

/** `9 s`, `3 min 6 s`, `1 h 13 min`, `2 d 4 h`; at most two units. */
export function duration(ms: number): string {
  const s = Math.round(Math.abs(ms) / 1000);
  if (s < 1) return Math.abs(ms) < 1 ? '0 s' : `${Math.round(Math.abs(ms))} ms`;
  if (s < 60) return `${s} s`;
  if (s < 3600) return join(Math.floor(s / 60), 'min', s % 60, 's');
  if (s < 86_400) return join(Math.floor(s / 3600), 'h', Math.floor((s % 3600) / 60), 'min');
  return join(Math.floor(s / 86_400), 'd', Math.floor((s % 86_400) / 3600), 'h');
}

/** One unit: `9 min`, `2 h`. */
export function roughDuration(ms: number): string {
  const s = Math.round(Math.abs(ms) / 1000);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.round(s / 60)} min`;
  return duration(ms);
}

const join = (a: number, unitA: string, b: number, unitB: string) => (b ? `${a} ${unitA} ${b} ${unitB}` : `${a} ${unitA}`);

/** Thousands parted by commas. */
export const count = (n: number) => Math.round(n).toLocaleString('en-US');

/** `4.0 M`, `8.7 k`, `412`. */
export function shortCount(n: number): string {
  if (n >= 999_950_000) return `${(n / 1e9).toFixed(1)} G`;
  if (n >= 999_950) return `${(n / 1e6).toFixed(1)} M`;
  if (n >= 9_950) return `${(n / 1e3).toFixed(n < 99_950 ? 1 : 0)} k`;
  return count(n);
}

/** Three significant digits, for values of a chart. */
export function value(n: number): string {
  const size = Math.abs(n);
  // What is left of a difference is no value.
  if (size < 1e-9) return '0';
  if (size >= 9_950) return shortCount(n);
  if (size >= 100 || Number.isInteger(n)) return count(n);
  if (size >= 10) return n.toFixed(1);
  return size >= 1 ? n.toFixed(2) : String(Number(n.toPrecision(2)));
}

/** A unit as people say it: UCUM annotations lose their braces (`{request}` → `requests`), `1` is no unit. */
export function unitText(unit: string): string {
  if (unit === '1') return '';
  return unit.replace(/\{([^}]*)\}/g, (_, name: string) => (name && !name.endsWith('s') ? `${name}s` : name)).replace(/^By\b/, 'bytes');
}

/** A rate per second: `11,402`, `2.1`, `0`. */
export const rate = (n: number) => (n >= 10 || n === 0 ? count(n) : n.toFixed(1));

/** Scores 0 to 1 as `.87`, `1.0`. */
export const score = (n: number) => (n >= 0.995 ? '1.0' : Math.max(0, n).toFixed(2).slice(1));

export function bytes(n: number): string {
  if (n < 1024) return `${count(n)} bytes`;
  return n < 1024 * 1024 ? `${(n / 1024).toFixed(1)} KiB` : `${(n / 1024 / 1024).toFixed(1)} MiB`;
}

/** `K. Ito` → `KI`, `m.silva` → `MS`. */
export function initials(name: string): string {
  const words = name.split(/[^\p{L}\p{N}]+/u).filter(Boolean);
  return ((words[0]?.[0] ?? '?') + (words.length > 1 ? (words.at(-1)?.[0] ?? '') : '')).toUpperCase();
}

/** Short, stable name of an investigation: the end of its id, where derived ids differ most. */
export const shortId = (id: string) => `wd-${id.replace(/-/g, '').slice(-4)}`;

/** `in_progress` → `In progress`. */
export const words = (name: string) => (name.charAt(0).toUpperCase() + name.slice(1)).replace(/_/g, ' ');
