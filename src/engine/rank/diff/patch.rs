//! A unified diff, read leniently: git's own, one file's hunks as web APIs give them, or bare changed lines.

/// Bytes of a diff that are read.
pub const MAX_BYTES: usize = 32 * 1024;
/// Lines that are read: what follows is said to be left out.
pub const MAX_LINES: usize = 1_000;
/// Characters of a line that are read: longer ones are data, not code.
const MAX_LINE: usize = 400;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Kept,
    Minus,
    Plus,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    pub side: Side,
    pub text: &'a str,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hunk<'a> {
    /// What stands after the second `@@`: the line that opens the surrounding function or section.
    pub section: &'a str,
    pub lines: Vec<Line<'a>>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct FileDiff<'a> {
    pub path: &'a str,
    pub is_new: bool,
    pub is_gone: bool,
    pub hunks: Vec<Hunk<'a>>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Patch<'a> {
    pub files: Vec<FileDiff<'a>>,
    /// Only the beginning was read.
    pub is_cut: bool,
}

/// The head of a text, at most `bytes` long.
fn head(text: &str, bytes: usize) -> &str {
    let mut end = text.len().min(bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// `a/path` and `b/path` without git's prefix; `None` for no file.
fn named(header: &str) -> Option<&str> {
    let path = header.split('\t').next().unwrap_or_default().trim().trim_matches('"');
    let path = path.strip_prefix("a/").or_else(|| path.strip_prefix("b/")).unwrap_or(path);
    (path != "/dev/null" && !path.is_empty()).then_some(path)
}

/// Counts of a hunk's header: `@@ -12,7 +12,9 @@ section`.
fn counts(header: &str) -> Option<(usize, usize, &str)> {
    let (ranges, section) = header.strip_prefix("@@ ")?.split_once(" @@")?;
    let (minus, plus) = ranges.split_once(' ')?;
    let count = |range: &str, sign: char| -> Option<usize> {
        let range = range.strip_prefix(sign)?;
        match range.split_once(',') {
            Some((_, count)) => count.parse().ok(),
            None => range.parse::<usize>().ok().map(|_| 1),
        }
    };
    Some((count(minus, '-')?, count(plus, '+')?, section.trim()))
}

impl<'a> Patch<'a> {
    /// Reads a diff; `path` names the file when no header of the diff does.
    pub fn of(diff: &'a str, path: &'a str) -> Self {
        let text = head(diff, MAX_BYTES);
        let mut patch = Self { files: Vec::new(), is_cut: text.len() < diff.len() || diff.ends_with('…') };
        let mut file = FileDiff { path, ..FileDiff::default() };
        // Lines that the current hunk's header promised and that did not come yet.
        let (mut minus_left, mut plus_left) = (0_usize, 0_usize);
        let mut lines = text.lines().peekable();
        let mut read = 0;
        while let Some(line) = lines.next() {
            read += 1;
            if read > MAX_LINES {
                patch.is_cut = true;
                break;
            }
            // Hunks as people shorten them promise more lines than come: git's own headers are believed all the same.
            let promised = minus_left + plus_left > 0;
            let is_git = line.starts_with("diff --git ") || !promised && line.starts_with("diff ");
            let is_named = line.starts_with("--- ") && lines.peek().is_some_and(|next| next.starts_with("+++ "));
            let opens = is_named && (!promised || line.starts_with("--- a/") || line.starts_with("--- /dev/null"));
            if is_git || opens && !file.hunks.is_empty() {
                patch.keep(std::mem::take(&mut file));
                file.path = line.rsplit(" b/").next().filter(|_| is_git).unwrap_or(path);
                (minus_left, plus_left) = (0, 0);
            }
            if opens {
                let before = named(&line[4..]);
                let after = lines.next().and_then(|next| named(&next[4..]));
                (file.is_new, file.is_gone) = (before.is_none() && after.is_some(), after.is_none() && before.is_some());
                file.path = after.or(before).unwrap_or(path);
                continue;
            }
            if line.starts_with("@@") {
                let (minus, plus, section) = counts(line).unwrap_or((0, 0, line.trim_matches(['@', ' '])));
                (minus_left, plus_left) = (minus, plus);
                file.hunks.push(Hunk { section: head(section, MAX_LINE), lines: Vec::new() });
                continue;
            }
            if is_git || is_git_header(line) && file.hunks.is_empty() || line.starts_with("\\ No newline") {
                continue;
            }
            let (side, text) = match line.as_bytes().first() {
                Some(b'-') => (Side::Minus, &line[1..]),
                Some(b'+') => (Side::Plus, &line[1..]),
                Some(b' ') => (Side::Kept, &line[1..]),
                _ => (Side::Kept, line),
            };
            if side != Side::Plus {
                minus_left = minus_left.saturating_sub(1);
            }
            if side != Side::Minus {
                plus_left = plus_left.saturating_sub(1);
            }
            if file.hunks.is_empty() {
                file.hunks.push(Hunk::default());
            }
            if let Some(hunk) = file.hunks.last_mut() {
                hunk.lines.push(Line { side, text: head(text, MAX_LINE) });
            }
        }
        patch.keep(file);
        patch
    }

    fn keep(&mut self, file: FileDiff<'a>) {
        if !file.hunks.is_empty() {
            self.files.push(file);
        }
    }
}

fn is_git_header(line: &str) -> bool {
    const HEADERS: [&str; 10] = [
        "index ",
        "new file mode",
        "deleted file mode",
        "old mode",
        "new mode",
        "similarity index",
        "rename from",
        "rename to",
        "Binary files",
        "dissimilarity index",
    ];
    HEADERS.iter().any(|header| line.starts_with(header))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_files_are_read_apart() {
        let diff = "diff --git a/x.sql b/x.sql\nindex 1..2 100644\n--- a/x.sql\n+++ b/x.sql\n@@ -1,2 +1,1 @@ head\n--- a removed comment\n a\n\
            diff --git a/y.go b/y.go\nnew file mode 100644\n--- /dev/null\n+++ b/y.go\n@@ -0,0 +1 @@\n+package y\n\\ No newline at end of file\n";
        let patch = Patch::of(diff, "");
        assert_eq!(patch.files.iter().map(|file| file.path).collect::<Vec<_>>(), ["x.sql", "y.go"]);
        assert_eq!(patch.files[0].hunks[0].section, "head");
        assert_eq!(patch.files[0].hunks[0].lines[0], Line { side: Side::Minus, text: "-- a removed comment" });
        assert!(patch.files[1].is_new && !patch.is_cut);
    }

    #[test]
    fn a_hunk_that_promises_too_much_does_not_swallow_the_next_file() {
        let diff = "--- a/x.go\n+++ b/x.go\n@@ -1,9 +1,9 @@\n-a\n+b\n--- a/y.go\n+++ b/y.go\n@@ -1 +1 @@\n-c\n+d\n";
        assert_eq!(Patch::of(diff, "").files.iter().map(|file| file.path).collect::<Vec<_>>(), ["x.go", "y.go"]);
    }

    #[test]
    fn bare_lines_and_free_headers_are_read_too() {
        let patch = Patch::of("@@ func Rank(items []Item) {\n-a\n+b", "rank.go");
        assert_eq!(patch.files[0].path, "rank.go");
        assert_eq!(patch.files[0].hunks[0].section, "func Rank(items []Item) {");
        assert_eq!(Patch::of("-40\n+8", "pool.yaml").files[0].hunks[0].lines.len(), 2);
    }

    #[test]
    fn a_long_diff_is_read_to_its_bound_and_says_so() {
        let long = "+line\n".repeat(MAX_LINES + 5);
        let patch = Patch::of(&long, "a.go");
        assert!(patch.is_cut);
        assert_eq!(patch.files[0].hunks[0].lines.len(), MAX_LINES);
    }
}
