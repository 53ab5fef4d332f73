//! Lines of a program without what cannot act: comments, imports, logging, harmless annotations, types that vanish, tests beside the
//! code. By each language's own comment signs; no parser.

use super::file::Language;
use super::patch::{FileDiff, Side};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Acts,
    Comment,
    Import,
    /// Logging, metrics, tracing.
    Watches,
    /// Annotations and types that only a compiler or a reader sees.
    Declares,
    Test,
}

#[derive(Clone, Debug, PartialEq)]
pub struct CodeLine {
    pub side: Side,
    pub kind: Kind,
    /// Without comments, indentation kept.
    pub text: String,
    pub hunk: usize,
}

/// Inside what a line begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Within {
    #[default]
    Code,
    Block,
    Docstring(char),
}

/// Comment signs: to the end of the line, and block.
fn signs(language: Language) -> (&'static [&'static str], bool) {
    match language {
        Language::Go | Language::Braces | Language::Script | Language::Rust | Language::Proto => (&["//"], true),
        Language::Python | Language::Ruby | Language::Shell | Language::Dockerfile => (&["#"], false),
        Language::Tree => (&["#", "//"], true),
        Language::Flat => (&["#", ";"], false),
        Language::Sql => (&["--"], true),
        Language::Unknown => (&["//", "#", "--"], true),
    }
}

/// True for a sign that opens a comment only at the start of a line or after a space: `http://`, `a#b`, `x--`.
fn needs_space(language: Language, sign: &str) -> bool {
    matches!(language, Language::Tree | Language::Flat | Language::Unknown | Language::Shell | Language::Dockerfile) || sign == "--"
}

/// Code of a line, and inside what the next one begins.
fn strip(line: &str, language: Language, mut within: Within) -> (String, Within) {
    let (endings, has_blocks) = signs(language);
    let mut code = String::new();
    let mut rest = line;
    let mut quote: Option<char> = None;
    if within == Within::Code && has_blocks {
        let start = line.trim_start();
        // A hunk may begin inside a block comment: its lines then start with a star.
        let starred = start == "*" || start.starts_with("* ") || start.starts_with("*/") || start.starts_with("**/");
        if starred && language != Language::Sql && language != Language::Tree {
            return (String::new(), Within::Code);
        }
    }
    // XML, which no list of languages needs otherwise.
    if within == Within::Code && language == Language::Unknown && line.trim_start().starts_with("<!--") {
        return (String::new(), Within::Code);
    }
    while let Some(letter) = rest.chars().next() {
        let step = letter.len_utf8();
        match within {
            Within::Block => {
                let end = rest.find("*/");
                rest = end.map_or("", |end| &rest[end + 2..]);
                within = if end.is_some() { Within::Code } else { Within::Block };
                continue;
            }
            Within::Docstring(sign) => {
                let closing: String = std::iter::repeat_n(sign, 3).collect();
                let end = rest.find(&closing);
                rest = end.map_or("", |end| &rest[end + 3..]);
                within = if end.is_some() { Within::Code } else { within };
                continue;
            }
            Within::Code => {}
        }
        if let Some(open) = quote {
            if letter == '\\' {
                let skipped: String = rest.chars().take(2).collect();
                rest = &rest[skipped.len()..];
                code.push_str(&skipped);
                continue;
            }
            quote = (letter != open).then_some(open);
        } else {
            let docstring =
                matches!(language, Language::Python) && code.trim().is_empty() && (rest.starts_with("\"\"\"") || rest.starts_with("'''"));
            if docstring {
                within = Within::Docstring(letter);
                rest = &rest[3..];
                continue;
            }
            if has_blocks && rest.starts_with("/*") {
                within = Within::Block;
                rest = &rest[2..];
                continue;
            }
            let spaced = code.is_empty() || code.ends_with(char::is_whitespace) || code.ends_with("{{");
            if endings.iter().any(|sign| rest.starts_with(sign) && (spaced || !needs_space(language, sign))) {
                break;
            }
            let opens = letter == '"' || letter == '`' || letter == '\'' && language != Language::Rust && rest[1..].contains('\'');
            quote = opens.then_some(letter);
        }
        code.push(letter);
        rest = &rest[step..];
    }
    code.truncate(code.trim_end().len());
    if matches!(code.trim(), "{{" | "{{}}" | "{{-}}" | "{{--}}" | "{{-") {
        code.clear();
    }
    (code, within)
}

fn is_import(line: &str, language: Language) -> bool {
    let line = line.trim_start();
    let starts = |words: &[&str]| words.iter().any(|word| line.starts_with(word));
    match language {
        Language::Go => {
            let name = line.trim_start_matches(|letter: char| letter.is_alphanumeric() || letter == '_' || letter == '.').trim_start();
            starts(&["import ", "package "]) || name.len() > 2 && name.starts_with('"') && name.ends_with('"') && !line.contains(['=', ','])
        }
        Language::Python => starts(&["import "]) || starts(&["from "]) && line.contains(" import "),
        Language::Rust => starts(&["use ", "pub use ", "extern crate ", "mod ", "pub mod "]) && line.ends_with([';', '{', ',']),
        Language::Script => starts(&["import ", "export * from", "'use strict'"]) || line.contains(" = require("),
        Language::Braces => starts(&["import ", "package ", "using ", "#include", "use "]) && !line.contains('('),
        Language::Proto => starts(&["import ", "package ", "option "]),
        _ => false,
    }
}

/// Calls that only tell what happens.
fn watches(line: &str) -> bool {
    const CALLS: [&str; 32] = [
        "log.",
        "logger.",
        "logging.",
        "slog.",
        "zap.",
        "console.",
        "tracing::",
        "log::",
        "debug!(",
        "info!(",
        "warn!(",
        "error!(",
        "trace!(",
        "println!(",
        "eprintln!(",
        "print(",
        "fmt.Print",
        "System.out",
        "metrics.",
        "counter.",
        "histogram.",
        "gauge.",
        "promauto.",
        "prometheus.",
        "span.",
        "statsd.",
        "meter.",
        ".WithLabelValues(",
        ".labels(",
        "Metrics.",
        "LOG.",
        "LOGGER.",
    ];
    let line = line.trim_start();
    let first: String = line.chars().take_while(|letter| *letter != '(').chain(line.contains('(').then_some('(')).collect();
    let first = first.rsplit(' ').next().unwrap_or_default();
    let first = first.trim_start_matches("this.").trim_start_matches("self.").trim_start_matches("await ");
    let lower = first.to_ascii_lowercase();
    let called = first.contains('(') && CALLS.iter().any(|call| first.starts_with(call) || call.starts_with('.') && line.contains(call));
    // `h.log.Info(`, `s.metrics.Requests.Inc()`: a part of the name says so.
    let part = first.contains('(')
        && lower.split(['.', '(', ':', '_']).any(|part| {
            matches!(part, "log" | "logger" | "metrics" | "metric" | "span" | "tracer" | "counter" | "histogram" | "timer" | "stats")
        });
    let counts = line.contains(".inc()") || line.contains(".Inc()") || line.contains(".observe(") || line.contains(".Observe(");
    (called || part || counts) && !lower.contains("level")
}

/// Annotations that change nothing at run time.
fn declares(line: &str, language: Language) -> bool {
    const NAMES: [&str; 18] = [
        "Override",
        "Nullable",
        "NonNull",
        "NotNull",
        "SuppressWarnings",
        "Deprecated",
        "VisibleForTesting",
        "FunctionalInterface",
        "Generated",
        "SafeVarargs",
        "Schema",
        "Operation",
        "ApiResponse",
        "Tag",
        "Parameter",
        "Serial",
        "typing.override",
        "override",
    ];
    let line = line.trim_start();
    match language {
        Language::Braces | Language::Python => line.strip_prefix('@').is_some_and(|rest| {
            let name = rest.split(|letter: char| !letter.is_alphanumeric() && letter != '.').next().unwrap_or_default();
            NAMES.contains(&name)
        }),
        Language::Rust => {
            const ATTRIBUTES: [&str; 9] =
                ["derive(", "allow(", "expect(", "doc", "inline", "must_use", "tracing::instrument", "instrument", "rustfmt"];
            line.strip_prefix("#[")
                .or_else(|| line.strip_prefix("#!["))
                .is_some_and(|rest| ATTRIBUTES.iter().any(|name| rest.starts_with(name)))
        }
        _ => false,
    }
}

/// The first line of a type that vanishes when compiled.
fn opens_type(line: &str) -> bool {
    let line = line.trim_start().trim_start_matches("export ").trim_start_matches("declare ");
    line.starts_with("interface ") && line.contains('{')
        || line.starts_with("type ") && (line.contains('=') || line.ends_with("interface {"))
}

/// Reads all lines of a file's hunks, old and new version each with its own open comments.
pub fn lines_of(file: &FileDiff<'_>, language: Language) -> Vec<CodeLine> {
    let mut lines = Vec::new();
    let mut in_tests = false;
    for (index, hunk) in file.hunks.iter().enumerate() {
        let (mut old, mut new) = (Within::Code, Within::Code);
        let vanishes = matches!(language, Language::Script | Language::Go);
        let mut in_type = vanishes && opens_type(hunk.section) && !hunk.section.contains('}');
        in_tests |= language == Language::Rust && hunk.section.trim_start().starts_with("mod tests");
        let mut open_log = 0_i64;
        for line in &hunk.lines {
            let within = if line.side == Side::Minus { old } else { new };
            let (text, next) = strip(line.text, language, within);
            match line.side {
                Side::Minus => old = next,
                Side::Plus => new = next,
                Side::Kept => (old, new) = (next, next),
            }
            let trimmed = text.trim();
            if language == Language::Rust && (trimmed == "#[cfg(test)]" || trimmed.starts_with("mod tests")) {
                in_tests = true;
            }
            let types = vanishes && opens_type(trimmed);
            in_type |= types;
            let log = open_log > 0 || watches(trimmed);
            let kind = if trimmed.is_empty() {
                Kind::Comment
            } else if in_tests {
                Kind::Test
            } else if in_type || declares(trimmed, language) {
                Kind::Declares
            } else if is_import(trimmed, language) {
                Kind::Import
            } else if log {
                Kind::Watches
            } else {
                Kind::Acts
            };
            if in_type && (trimmed.starts_with('}') || types && trimmed.ends_with(';')) {
                in_type = false;
            }
            if log {
                let depth =
                    |opening: &[char], closing: &[char]| trimmed.matches(opening).count() as i64 - trimmed.matches(closing).count() as i64;
                open_log = (open_log + depth(&['(', '{', '['], &[')', '}', ']'])).clamp(0, 9);
            }
            lines.push(CodeLine { side: line.side, kind, text, hunk: index });
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::patch::Patch;
    use super::*;

    fn kinds(path: &str, diff: &str) -> Vec<Kind> {
        let patch = Patch::of(diff, path);
        lines_of(&patch.files[0], super::super::file::language(path)).into_iter().map(|line| line.kind).collect()
    }

    #[test]
    fn each_language_has_its_own_comments() {
        assert_eq!(kinds("a.go", "+// x\n+x := 1 // y\n+/* a\n+b */ y()"), [Kind::Comment, Kind::Acts, Kind::Comment, Kind::Acts]);
        assert_eq!(
            kinds("a.py", "+# x\n+\"\"\"Says\n+x = 1\n+\"\"\"\n+y = 2"),
            [Kind::Comment, Kind::Comment, Kind::Comment, Kind::Comment, Kind::Acts]
        );
        assert_eq!(kinds("a.sql", "+-- DROP TABLE a;\n+DROP TABLE b;"), [Kind::Comment, Kind::Acts]);
        assert_eq!(kinds("a.yaml", "+# x\n+url: http://a/#b"), [Kind::Comment, Kind::Acts]);
        assert_eq!(kinds("a.xml", "+<!-- x -->\n+<x/>"), [Kind::Comment, Kind::Acts]);
        assert_eq!(kinds("a.java", "+ * at most 10\n+ */"), [Kind::Comment, Kind::Comment]);
    }

    #[test]
    fn logging_imports_and_annotations_do_not_act() {
        assert_eq!(
            kinds("a.java", "+import a.B;\n+    @Override\n+    log.info(\"x\");\n+    run();"),
            [Kind::Import, Kind::Declares, Kind::Watches, Kind::Acts]
        );
        assert_eq!(
            kinds("a.ts", "+export interface A {\n+  b: string;\n+}\n+run();"),
            [Kind::Declares, Kind::Declares, Kind::Declares, Kind::Acts]
        );
        assert_eq!(
            kinds("a.rs", "+#[derive(Debug)]\n+fn a() {}\n+#[cfg(test)]\n+fn b() {}"),
            [Kind::Declares, Kind::Acts, Kind::Test, Kind::Test]
        );
    }
}
