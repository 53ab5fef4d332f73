//! Stack traces folded to the frames that tell them apart.

/// Frames kept of the innermost part.
const TOP_FRAMES: usize = 5;
/// Characters kept of a line.
const MAX_LINE: usize = 200;

/// The first line, the first frames, and every cause with its first frame. At most 20 lines.
pub(super) fn fold(stack: &str) -> String {
    let mut out = String::new();
    let mut lines = 0;
    let mut frames = 0;
    let mut dropped = 0;
    for line in stack.lines().map(str::trim_end).filter(|line| !line.trim().is_empty()) {
        let is_cause = line.trim_start().starts_with("Caused by") || line.trim_start().starts_with("During handling of");
        if is_cause {
            // One frame of each cause is enough to know it again.
            frames = TOP_FRAMES;
        }
        if lines >= 20 || !is_cause && frames > TOP_FRAMES {
            dropped += 1;
            continue;
        }
        frames += 1;
        lines += 1;
        if lines > 1 {
            out.push('\n');
        }
        out.extend(line.chars().take(MAX_LINE));
    }
    if dropped > 0 {
        out.push_str(&format!("\n… {dropped} more lines"));
    }
    out
}

/// Splits a message of several lines before the stack trace in it: what was said, and the trace with the line that names its exception.
pub(super) fn inside(message: &str) -> Option<(&str, &str)> {
    let first_end = memchr::memchr(b'\n', message.as_bytes())?;
    let (mut before, mut at) = (0, 0);
    for line in message.split_inclusive('\n') {
        if is_frame(line) && (at > 0 || opens(line)) {
            // The line over the first frame names the exception, unless it is all that was said.
            let start = if opens(line) { at } else { before };
            let said = if start == 0 { &message[..first_end] } else { &message[..start] };
            return Some((said.trim_end(), &message[start..]));
        }
        (before, at) = (at, at + line.len());
    }
    None
}

/// The type and message of the exception that ends a Python traceback.
pub(super) fn last_line(stack: &str) -> Option<&str> {
    stack.starts_with("Traceback").then(|| stack.trim_end().rsplit('\n').next().unwrap_or_default())
}

fn is_frame(line: &str) -> bool {
    let trimmed = line.trim_start();
    let is_indented = trimmed.len() < line.len();
    is_indented && (trimmed.starts_with("at ") || trimmed.starts_with("File \"")) || opens(line)
}

/// A line that opens a trace by itself.
fn opens(line: &str) -> bool {
    line.starts_with("Traceback (most recent call last)") || line.starts_with("goroutine ") && line.trim_end().ends_with("]:")
}

/// The exception's type where a stack or message starts with one: `java.lang.IllegalStateException: no seats` gives
/// `java.lang.IllegalStateException`.
pub(super) fn exception_type(text: &str) -> Option<&str> {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '.' || c == '_' || c == '$')).unwrap_or(text.len());
    let name = &text[..end];
    let last = name.rsplit('.').next().unwrap_or(name);
    (last.len() > 5 && last.starts_with(char::is_uppercase) && (last.ends_with("Exception") || last.ends_with("Error"))).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deep_stack_keeps_its_top_and_its_causes() {
        let mut stack = String::from("java.lang.IllegalStateException: no seats\n");
        for n in 0..40 {
            stack.push_str(&format!("\tat shop.Seats.find{n}(Seats.java:{n})\n"));
        }
        stack.push_str("Caused by: java.sql.SQLException: closed\n\tat db.Pool.take(Pool.java:1)\n\tat db.Pool.more(Pool.java:2)\n");
        let folded = fold(&stack);
        assert!(folded.starts_with("java.lang.IllegalStateException: no seats\n\tat shop.Seats.find0"), "{folded}");
        assert!(folded.contains("Caused by: java.sql.SQLException"), "{folded}");
        assert!(folded.lines().count() < 15 && folded.ends_with("more lines"), "{folded}");
    }

    #[test]
    fn a_trace_is_split_from_what_was_said_before_it() {
        let java = "ERROR no seats\njava.lang.IllegalStateException: none\n\tat a.B.c(B.java:1)";
        assert_eq!(inside(java), Some(("ERROR no seats", "java.lang.IllegalStateException: none\n\tat a.B.c(B.java:1)")));
        let alone = "java.lang.IllegalStateException: none\n\tat a.B.c(B.java:1)";
        assert_eq!(inside(alone), Some(("java.lang.IllegalStateException: none", alone)));
        let python = "failed\nTraceback (most recent call last):\n  File \"a.py\", line 1\nValueError: bad\n";
        let (said, trace) = inside(python).unwrap_or_default();
        assert_eq!((said, last_line(trace)), ("failed", Some("ValueError: bad")));
        let go = "panic: boom\n\ngoroutine 1 [running]:\nmain.main()\n\t/app/main.go:12 +0x1d";
        assert_eq!(inside(go).map(|(said, _)| said), Some("panic: boom"));
        for plain in ["one line", "two\nlines", "SELECT *\n  FROM seats\n", "\n", ""] {
            assert_eq!(inside(plain), None, "{plain}");
        }
    }

    #[test]
    fn the_type_of_an_exception_stands_before_its_message() {
        assert_eq!(exception_type("java.lang.IllegalStateException: no seats"), Some("java.lang.IllegalStateException"));
        assert_eq!(exception_type("ValueError: bad"), Some("ValueError"));
        assert_eq!(exception_type("an Error"), None);
    }
}
