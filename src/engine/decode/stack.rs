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
    fn the_type_of_an_exception_stands_before_its_message() {
        assert_eq!(exception_type("java.lang.IllegalStateException: no seats"), Some("java.lang.IllegalStateException"));
        assert_eq!(exception_type("ValueError: bad"), Some("ValueError"));
        assert_eq!(exception_type("an Error"), None);
    }
}
