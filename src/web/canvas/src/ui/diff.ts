// A unified diff as lines to show: the file once, then what went and what came. Pure.

export interface DiffLine {
  kind: 'file' | 'at' | 'went' | 'came' | 'same';
  text: string;
}

const path = (line: string) => line.slice(4).replace(/^[ab]\//, '').trim();

export function diffLines(diff: string): DiffLine[] {
  const out: DiffLine[] = [];
  let from = '';
  for (const line of diff.replace(/\n$/, '').split('\n')) {
    if (/^(diff --git |index |new file mode |deleted file mode |similarity index )/.test(line)) continue;
    if (line.startsWith('--- ')) from = path(line);
    else if (line.startsWith('+++ ')) {
      const to = path(line);
      const text = to === '/dev/null' ? `${from}, deleted` : from === '/dev/null' ? `${to}, new` : to === from || !from ? to : `${from} → ${to}`;
      out.push({ kind: 'file', text });
    } else out.push({ kind: line.startsWith('@@') ? 'at' : line.startsWith('+') ? 'came' : line.startsWith('-') ? 'went' : 'same', text: line });
  }
  return out;
}
