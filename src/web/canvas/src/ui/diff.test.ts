import { expect, test } from 'vitest';
import { diffLines } from './diff';

test('a file is named once, and what went and came stays as it was', () => {
  const lines = diffLines('diff --git a/app.yaml b/app.yaml\nindex 1..2 100644\n--- a/app.yaml\n+++ b/app.yaml\n@@ -1 +1 @@ pool:\n-  max: 40\n+  max: 8\n   wait: 1\n');
  expect(lines.map(({ kind, text }) => `${kind}|${text}`)).toEqual(['file|app.yaml', 'at|@@ -1 +1 @@ pool:', 'went|-  max: 40', 'came|+  max: 8', 'same|   wait: 1']);
});

test('a new, a deleted and a renamed file say so', () => {
  const name = (from: string, to: string) => diffLines(`--- ${from}\n+++ ${to}`).map(({ text }) => text);
  expect([name('/dev/null', 'b/x'), name('a/x', '/dev/null'), name('a/x', 'b/y')]).toEqual([['x, new'], ['x, deleted'], ['x → y']]);
});

test('a hunk without a header is a diff too', () => {
  expect(diffLines('-a\n+b').map(({ kind }) => kind)).toEqual(['went', 'came']);
});
