//! What changed after taking away what only moved, was laid out another way or was renamed.

use std::collections::{BTreeMap, BTreeSet};

use super::code::{CodeLine, Kind};
use super::file::Language;
use super::patch::Side;
use super::squeeze;

/// The changed lines of a file that are left, and what is around them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hunks<'a> {
    pub minus: Vec<&'a str>,
    pub plus: Vec<&'a str>,
    pub context: Vec<&'a str>,
    /// Every line that is there after the change, in order; true for added ones that are left.
    pub after: Vec<(&'a str, bool)>,
    /// The nearest line further left above a removed one: `retry: {`.
    pub above: BTreeMap<&'a str, &'a str>,
    /// Lines that moved, were laid out another way or renamed.
    pub cancelled: usize,
    /// Kinds of changed lines that were left out.
    pub left_out: BTreeSet<&'static str>,
}

/// Lines compared one by one are bounded, so that a huge rewrite costs no quadratic time.
pub const MOST_COMPARED: usize = 100;

/// Words and single signs of a line.
pub fn tokens(line: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut start = None;
    for (index, letter) in line.char_indices() {
        let is_word = letter.is_alphanumeric() || letter == '_';
        match (is_word, start) {
            (true, None) => start = Some(index),
            (false, Some(from)) => {
                found.push(&line[from..index]);
                start = None;
            }
            _ => {}
        }
        if !is_word && !letter.is_whitespace() {
            found.push(&line[index..index + letter.len_utf8()]);
        }
    }
    found.extend(start.map(|from| &line[from..]));
    found
}

pub fn is_identifier(token: &str) -> bool {
    token.starts_with(|letter: char| letter.is_alphabetic() || letter == '_')
}

/// `def f(a: int, b: str = "x") -> T:` without its types.
fn untyped(line: &str) -> String {
    let Some((head, rest)) = line.split_once('(').filter(|(head, _)| head.trim_start().trim_start_matches("async ").starts_with("def "))
    else {
        return line.to_owned();
    };
    let Some((parameters, _)) = rest.rsplit_once(')') else { return line.to_owned() };
    let mut plain = Vec::new();
    let mut depth = 0_i32;
    let mut start = 0;
    for (index, letter) in parameters.char_indices().chain([(parameters.len(), ',')]) {
        match letter {
            '[' | '(' | '{' => depth += 1,
            ']' | ')' | '}' => depth -= 1,
            ',' if depth <= 0 => {
                let parameter = &parameters[start.min(index)..index];
                let default = parameter.split_once('=').map_or("", |(_, default)| default.trim());
                let name = parameter.split([':', '=']).next().unwrap_or_default().trim();
                plain.push(if default.is_empty() { name.to_owned() } else { format!("{name}={default}") });
                start = index + 1;
            }
            _ => {}
        }
    }
    format!("{head}({}):", plain.join(","))
}

/// `"%s/x" % (a)` as `"{a}/x"`.
fn filled(line: &str) -> String {
    let Some((text, arguments)) = line.split_once("\" % ") else { return line.replace("f\"", "\"") };
    let arguments = arguments.trim().trim_start_matches('(').trim_end_matches(')');
    let mut text = format!("{text}\"");
    for argument in arguments.split(',').take(20) {
        for sign in ["%s", "%d"] {
            if let Some(at) = text.find(sign) {
                text.replace_range(at..at + 2, &format!("{{{}}}", argument.trim()));
                break;
            }
        }
    }
    text
}

/// A line as it counts: without white space, kinds of quotes, closing signs and words that change nothing at run time.
fn canonical(line: &str, language: Language) -> String {
    let mut line = line.replace(['\'', '`'], "\"");
    match language {
        Language::Python => line = filled(&untyped(&line)),
        Language::Sql => line = line.to_lowercase(),
        _ => {}
    }
    let silent: &[&str] = match language {
        Language::Script => &["const ", "let ", "var ", "readonly ", "import type ", "import "],
        Language::Braces => &["final ", "override "],
        Language::Rust => &["\"a ", "<\"a>", "\"a"],
        _ => &[],
    };
    for word in silent {
        line = line.replace(word, "");
    }
    let mut text = squeeze(&line).trim_end_matches('\\').replace(';', "");
    for (with, without) in [(",)", ")"), (",]", "]"), (",}", "}")] {
        text = text.replace(with, without);
    }
    text.trim_end_matches(',').to_owned()
}

/// Layout: a trailing comma before a closing sign on the next line.
fn joined(lines: &[(usize, String)]) -> String {
    let mut text = String::new();
    for (_, line) in lines {
        if text.ends_with(|letter: char| letter.is_alphanumeric() || letter == '"')
            && line.starts_with(|letter: char| letter.is_alphanumeric() || letter == '"')
        {
            text.push(',');
        }
        text.push_str(line);
    }
    text.replace(",", "")
}

/// Old names that are declared in the removed lines, with their new ones.
fn renames(pairs: &[(&str, &str)], language: Language) -> BTreeMap<String, String> {
    let mut names: BTreeMap<String, Option<String>> = BTreeMap::new();
    let mut declared: BTreeSet<String> = BTreeSet::new();
    for (before, after) in pairs {
        let (old, new) = (tokens(before), tokens(after));
        if old.len() != new.len() {
            continue;
        }
        for (at, (from, to)) in old.iter().zip(&new).enumerate().filter(|(_, (from, to))| from != to) {
            if !is_identifier(from) || !is_identifier(to) {
                continue;
            }
            let entry = names.entry((*from).to_owned()).or_insert_with(|| Some((*to).to_owned()));
            if entry.as_deref() != Some(*to) {
                *entry = None;
            }
            if declares(&old, at, language) {
                declared.insert((*from).to_owned());
            }
        }
    }
    names.into_iter().filter(|(from, _)| declared.contains(from)).filter_map(|(from, to)| Some((from, to?))).collect()
}

/// True where the token at this place gives a name to something.
fn declares(tokens: &[&str], at: usize, language: Language) -> bool {
    const KEYWORDS: [&str; 16] =
        ["let", "var", "const", "val", "def", "fn", "func", "function", "class", "struct", "mut", "for", "AS", "as", "final", "enum"];
    const AFTER_ALIAS: [&str; 11] = ["join", "on", "where", "group", "order", "left", "inner", "right", "set", ",", ")"];
    let before = at.checked_sub(1).and_then(|before| tokens.get(before)).copied().unwrap_or_default();
    let next = tokens.get(at + 1).copied().unwrap_or_default();
    let after_next = tokens.get(at + 2).copied().unwrap_or_default();
    let definition = tokens.iter().take(4).any(|token| matches!(*token, "def" | "func" | "fn" | "function"));
    match language {
        Language::Sql => before.eq_ignore_ascii_case("as") || is_identifier(before) && AFTER_ALIAS.contains(&next.to_lowercase().as_str()),
        _ => {
            KEYWORDS.contains(&before)
                || next == ":" && after_next == "="
                || definition && matches!(before, "(" | ",") && (matches!(next, "*" | ":" | "," | ")" | "=") || is_identifier(next))
                || is_identifier(before) && before != "return" && matches!(next, "=" | ";") && after_next != "="
                || at == 0 && next == "=" && after_next != "="
                || at == 0 && next == "," && tokens.contains(&"=")
        }
    }
}

fn rename(line: &str, names: &BTreeMap<String, String>) -> String {
    let mut renamed = String::new();
    let mut rest = line;
    for token in tokens(line) {
        let Some(at) = rest.find(token) else { continue };
        renamed.push_str(&rest[..at]);
        renamed.push_str(names.get(token).map_or(token, String::as_str));
        rest = &rest[at + token.len()..];
    }
    renamed.push_str(rest);
    renamed
}

/// Runs of removed and added lines without a kept one between.
fn blocks(lines: &[CodeLine]) -> Vec<(Vec<usize>, Vec<usize>)> {
    let mut blocks = vec![(Vec::new(), Vec::new())];
    let mut hunk = 0;
    for (index, line) in lines.iter().enumerate() {
        let ends = line.side == Side::Kept && line.kind != Kind::Comment || line.hunk != hunk;
        hunk = line.hunk;
        if ends && blocks.last().is_some_and(|(minus, plus): &(Vec<usize>, Vec<usize>)| !minus.is_empty() || !plus.is_empty()) {
            blocks.push((Vec::new(), Vec::new()));
        }
        if let Some((minus, plus)) = blocks.last_mut() {
            match line.side {
                Side::Minus => minus.push(index),
                Side::Plus => plus.push(index),
                Side::Kept => {}
            }
        }
    }
    blocks
}

impl<'a> Hunks<'a> {
    pub fn of(lines: &'a [CodeLine], language: Language) -> Self {
        let mut gone = vec![false; lines.len()];
        let mut hunks = Self::default();
        let forms: Vec<String> = lines.iter().map(|line| canonical(&line.text, language)).collect();
        for (index, line) in lines.iter().enumerate().filter(|(_, line)| line.side != Side::Kept) {
            gone[index] = line.kind != Kind::Acts;
            hunks.left_out.extend(match line.kind {
                Kind::Acts => None,
                Kind::Comment => Some("comments or white space"),
                Kind::Import => Some("imports"),
                Kind::Watches => Some("logging and metrics"),
                Kind::Declares => Some("types and annotations"),
                Kind::Test => Some("tests"),
            });
        }
        let blocks = blocks(lines);
        for (minus, plus) in &blocks {
            let text = |side: &[usize]| {
                joined(&side.iter().filter(|index| !gone[**index]).map(|index| (*index, forms[*index].clone())).collect::<Vec<_>>())
            };
            if !minus.is_empty() && text(minus) == text(plus) {
                minus.iter().chain(plus).for_each(|index| gone[*index] = true);
                hunks.cancelled += minus.len() + plus.len();
            }
        }
        let of = |side: Side, gone: &[bool]| -> BTreeSet<&str> {
            let here = lines.iter().enumerate().filter(|(index, line)| line.side == side && !gone[*index]);
            here.map(|(index, _)| forms[index].as_str()).collect()
        };
        let (minus, plus) = (of(Side::Minus, &gone), of(Side::Plus, &gone));
        for (index, line) in lines.iter().enumerate() {
            let twin = line.side == Side::Minus && plus.contains(forms[index].as_str())
                || line.side == Side::Plus && minus.contains(forms[index].as_str());
            if twin && !gone[index] {
                gone[index] = true;
                hunks.cancelled += 1;
            }
        }
        let mut pairs = Vec::new();
        for (minus, plus) in &blocks {
            let left = |side: &[usize]| side.iter().copied().filter(|index| !gone[*index]).take(MOST_COMPARED).collect::<Vec<_>>();
            let (minus, plus) = (left(minus), left(plus));
            if minus.len() == plus.len() {
                pairs.extend(minus.into_iter().zip(plus));
            }
        }
        let texts: Vec<(&str, &str)> =
            pairs.iter().map(|(minus, plus)| (lines[*minus].text.as_str(), lines[*plus].text.as_str())).collect();
        let names = renames(&texts, language);
        for (minus, plus) in pairs.iter().filter(|_| !names.is_empty()) {
            if canonical(&rename(&lines[*minus].text, &names), language) == forms[*plus] {
                (gone[*minus], gone[*plus]) = (true, true);
                hunks.cancelled += 2;
            }
        }
        hunks.collect(lines, &gone);
        hunks
    }

    fn collect(&mut self, lines: &'a [CodeLine], gone: &[bool]) {
        let indent = |text: &str| text.len() - text.trim_start().len();
        let mut open: Vec<&'a str> = Vec::new();
        for (index, line) in lines.iter().enumerate() {
            let text = line.text.as_str();
            if text.trim().is_empty() {
                continue;
            }
            open.retain(|above| indent(above) < indent(text));
            match line.side {
                Side::Kept => self.context.push(text),
                Side::Minus if !gone[index] => {
                    self.minus.push(text);
                    if let Some(above) = open.last() {
                        self.above.insert(text, above);
                    }
                }
                Side::Plus if !gone[index] => self.plus.push(text),
                // What was left out is still there to be read: it makes names known.
                _ => self.context.push(text),
            }
            if line.side != Side::Minus {
                self.after.push((text, line.side == Side::Plus && !gone[index]));
            }
            open.push(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::code::lines_of;
    use super::super::file::language;
    use super::super::patch::Patch;
    use super::*;

    fn left(path: &str, diff: &str) -> usize {
        let patch = Patch::of(diff, path);
        let lines = lines_of(&patch.files[0], language(path));
        let hunks = Hunks::of(&lines, language(path));
        hunks.minus.len() + hunks.plus.len()
    }

    #[test]
    fn layout_moves_and_renames_leave_nothing() {
        assert_eq!(left("a.py", "-f(a = 1, b = 'x')\n+f(\n+    a=1,\n+    b=\"x\",\n+)"), 0);
        assert_eq!(left("a.go", "-\tc := r.Context()\n-\treturn fetch(c, q)\n+\tctx := r.Context()\n+\treturn fetch(ctx, q)"), 0);
        assert_eq!(left("a.java", "-Order o = get(id);\n-return of(o);\n+Order order = get(id);\n+return of(order);"), 0);
        assert_eq!(left("a.py", "-def f(a, b=1):\n+def f(a: int, b: int = 1) -> str:"), 0);
        assert_eq!(left("a.py", "-x = \"%s/v/%s\" % (a.b, c)\n+x = f\"{a.b}/v/{c}\""), 0);
    }

    #[test]
    fn another_callee_is_no_rename() {
        assert_eq!(left("a.go", "-\treturn primary.Get(id)\n+\treturn replica.Get(id)"), 2);
        assert_eq!(left("a.py", "-key = f\"a:{user}:{language}\"\n+key = f\"a:{language}\""), 2);
    }
}
