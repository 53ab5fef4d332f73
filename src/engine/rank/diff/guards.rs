//! What a diff takes away or turns round in a program: protection, locks' width, computations, names on the wire.

use std::collections::BTreeSet;

use super::cancel::{Hunks, MOST_COMPARED, is_identifier, tokens};
use super::meaning::{is_wording, key_words};
use super::structure::defined;

/// (words of code that protect, what is lost without them).
const PROTECTION: [(&str, &str); 14] = [
    ("timeout deadline withtimeout settimeout", "it removes a time-out"),
    (
        "semaphore permit permits limiter throttle throttled debounce debounced ratelimit ratelimiter bounded pmap plimit",
        "it removes a bound on how much runs at once",
    ),
    ("cacheable lru memoize cached cache", "it no longer asks the cache"),
    (
        "close defer finally disconnect release unsubscribe removelistener dispose destroy clearinterval cleartimeout off",
        "it no longer closes or releases something",
    ),
    ("transactional transaction atomic rollback savepoint", "it removes a transaction"),
    ("catch except recover rescue", "it no longer handles a failure"),
    ("validate sanitize verify authorize permitall hasrole preauthorize authenticated escape csrf", "it changes a rule of what is let in"),
    ("prefetch joinedload selectinload preload entitygraph includes", "it no longer loads related rows at once"),
    ("backoff jitter sleep", "it removes a pause between attempts"),
    ("utc zoneid timezone zoneoffset tz", "it computes times in another zone"),
    ("await wait awaittermination", "it no longer waits for the answer"),
    ("checked saturating exact addexact multiplyexact", "it no longer checks for overflow"),
    ("paginate limit top pagesize", "it reads without a limit"),
    ("retryable retry circuitbreaker fallback", "it removes a retry or fallback"),
];

/// A line without what stands in quotes.
fn bare(line: &str) -> String {
    let mut quote = None;
    let mut bare = String::new();
    for (index, letter) in line.char_indices() {
        match quote {
            Some(open) if letter == open => quote = None,
            Some(_) => {}
            // A single quote alone is a lifetime or an apostrophe.
            None if matches!(letter, '"' | '`') || letter == '\'' && line[index + 1..].contains('\'') => quote = Some(letter),
            None => bare.push(letter),
        }
    }
    bare
}

/// Words of the code of lines, without their texts.
fn code_words(lines: &[&str]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in lines {
        let bare = bare(line);
        found.extend(key_words(&bare));
        // `FAIL_FAST`, `rate_limiter`, `withTimeout` as one word too.
        found.extend(tokens(&bare).iter().map(|token| token.replace('_', "").to_lowercase()));
    }
    found
}

/// Signs of a decision in a line.
fn decisions(lines: &[&str]) -> usize {
    const SIGNS: [&str; 26] = [
        "if ",
        "if(",
        "unless ",
        "catch",
        "except",
        "recover(",
        "case ",
        "match ",
        " ? ",
        "?.",
        "??",
        "unwrap_or",
        "ok_or",
        "or_else",
        "ensure",
        "assert",
        "&& ",
        "|| ",
        " and ",
        " or ",
        ".filter(",
        "guard ",
        "elif ",
        "requireNonNull",
        "?;",
        "orElse",
    ];
    lines.iter().map(|line| SIGNS.iter().map(|sign| line.matches(sign).count()).sum::<usize>()).sum()
}

fn forced(lines: &[&str]) -> usize {
    const SIGNS: [&str; 7] = [".unwrap()", ".expect(", "!!", "!.", " as! ", " try!", ".unwrap_unchecked("];
    lines.iter().map(|line| SIGNS.iter().map(|sign| line.matches(sign).count()).sum::<usize>()).sum()
}

fn shown(line: &str) -> String {
    line.trim().chars().take(50).collect()
}

/// Words around a call that bounds or closes, gone; decisions, gone.
pub fn lost(hunks: &Hunks<'_>, offer: &mut dyn FnMut(f64, String)) {
    let (old, new) = (code_words(&hunks.minus), code_words(&hunks.plus));
    for (words, reason) in PROTECTION {
        let protects = |has: &BTreeSet<String>| words.split_whitespace().find(|word| has.contains(*word));
        if let Some(word) = protects(&old).filter(|_| protects(&new).is_none()) {
            let line = hunks.minus.iter().find(|line| code_words(&[line]).contains(word)).copied().unwrap_or_default();
            offer(0.6, format!("{reason}: `{}`", shown(line)));
        }
    }
    let scopes = |lines: &[&str]| {
        lines
            .iter()
            .filter(|line| {
                ["try (", "with ", "async with ", "using (", "using var "].iter().any(|head| line.trim_start().starts_with(head))
            })
            .count()
    };
    if scopes(&hunks.minus) > scopes(&hunks.plus) {
        let line = hunks.minus.iter().find(|line| scopes(&[line]) > 0).copied().unwrap_or_default();
        offer(0.6, format!("it no longer closes in every case: `{}`", shown(line)));
    }
    let defines = hunks.plus.iter().any(|line| defined(line).is_some());
    let (before, after) = (decisions(&hunks.minus), decisions(&hunks.plus));
    // `flag ? a : a` and a finished flag are decisions too; what is left says whether something was decided.
    if before > after && hunks.plus.len() <= hunks.minus.len() && !defines && !is_finished_flag(&hunks.minus) {
        let first = hunks.minus.iter().find(|line| decisions(&[line]) > 0).copied().unwrap_or_default();
        offer(0.6, format!("it removed the guard `{}`", shown(first)));
    }
    if forced(&hunks.plus) > forced(&hunks.minus) {
        let line = hunks.plus.iter().find(|line| forced(&[line]) > 0).copied().unwrap_or_default();
        offer(0.6, format!("it takes for granted what may be missing: `{}`", shown(line)));
    }
    unbounded(hunks, offer);
    let gives_up =
        |lines: &[&str]| lines.iter().any(|line| ["context.Background()", "context.TODO()"].iter().any(|call| line.contains(call)));
    if gives_up(&hunks.plus) && !gives_up(&hunks.minus) && old.contains("ctx") {
        offer(0.6, "it no longer ends when its caller gives up".to_owned());
    }
}

/// Lines taken away with nothing in their place: options of a call, statements.
pub fn removed(hunks: &Hunks<'_>, offer: &mut dyn FnMut(f64, String)) {
    // What was wrapped into a measurement is not gone.
    if !hunks.plus.is_empty()
        || hunks.minus.is_empty()
        || hunks.left_out.contains("logging and metrics")
        || hunks.minus.iter().any(|line| defined(line).is_some())
    {
        return;
    }
    let option = |line: &str| {
        let (key, value) = line.trim().split_once(['=', ':'])?;
        let is_key =
            !key.is_empty() && key.trim().trim_matches('"').chars().all(|letter| letter.is_alphanumeric() || matches!(letter, '_' | '-'));
        (is_key && value.ends_with(',') && !is_wording(key.trim())).then(|| key.trim().to_owned())
    };
    if let Some(key) = hunks.minus.iter().find_map(|line| option(line)) {
        offer(0.5, format!("it removes the option {key}"));
    } else if let Some(line) = hunks.minus.iter().find(|line| line.contains('(')) {
        offer(0.35, format!("it removes `{}`", shown(line)));
    }
}

/// Every choice between two equal things, as a finished flag leaves it.
fn is_finished_flag(minus: &[&str]) -> bool {
    minus.iter().filter(|line| decisions(&[line]) > 0).all(|line| {
        let Some((_, choice)) = line.split_once(" ? ") else { return false };
        choice.split_once(" : ").is_some_and(|(left, right)| left.trim() == right.trim().trim_end_matches(';'))
    })
}

fn unbounded(hunks: &Hunks<'_>, offer: &mut dyn FnMut(f64, String)) {
    const OPEN: [&str; 14] = [
        "unbounded",
        "LinkedBlockingQueue<>()",
        "LinkedBlockingDeque<>()",
        "newCachedThreadPool",
        "Promise.all(",
        "asyncio.gather(",
        "maxsize=None",
        "SimpleQueue(",
        "Queue()",
        "Integer.MAX_VALUE",
        "math.MaxInt",
        "usize::MAX",
        "Number.MAX_SAFE_INTEGER",
        "Infinity",
    ];
    let opens = |lines: &[&str]| OPEN.iter().copied().find(|word| lines.iter().any(|line| line.contains(word)));
    if let (Some(word), None) = (opens(&hunks.plus), opens(&hunks.minus)) {
        offer(0.6, format!("it bounds nothing any more: `{word}`"));
    }
}

pub fn locks(hunks: &Hunks<'_>, offer: &mut dyn FnMut(f64, String)) {
    const SIGNS: [&str; 8] = [".Lock()", ".lock()", "synchronized", ".acquire(", "with lock", "_lock:", ".write().await", "with self.lock"];
    let exclusive = |lines: &[&str]| -> usize {
        lines
            .iter()
            .filter(|line| !line.contains("RLock"))
            .map(|line| SIGNS.iter().map(|sign| line.matches(sign).count()).sum::<usize>())
            .sum()
    };
    if exclusive(&hunks.plus) > exclusive(&hunks.minus) {
        offer(0.6, "it adds a lock".to_owned());
    }
}

/// Bits of a number's type.
fn width(token: &str) -> Option<u32> {
    Some(match token {
        "int8" | "i8" | "u8" | "uint8" | "byte" => 8,
        "int16" | "i16" | "u16" | "uint16" | "short" | "smallint" => 16,
        "int32" | "i32" | "u32" | "uint32" | "Integer" | "float32" | "f32" | "float" | "Float" | "sint32" => 32,
        "int64" | "i64" | "u64" | "uint64" | "long" | "Long" | "float64" | "f64" | "double" | "Double" | "bigint" | "sint64" => 64,
        "BigInteger" | "BigDecimal" | "Decimal" | "i128" | "u128" => 128,
        _ => return None,
    })
}

/// A removed line with the names and signs of it and of the added line most like it, texts left out.
type Pair<'a> = (&'a str, Vec<String>, Vec<String>);

fn pairs<'a>(hunks: &Hunks<'a>) -> Vec<Pair<'a>> {
    let cut = |line: &str| -> Vec<String> { tokens(&bare(line)).into_iter().map(str::to_owned).collect() };
    let names = |tokens: &[String]| -> BTreeSet<String> { tokens.iter().filter(|token| is_identifier(token)).cloned().collect() };
    let plus: Vec<(Vec<String>, BTreeSet<String>)> =
        hunks.plus.iter().take(MOST_COMPARED).map(|line| (cut(line), names(&cut(line)))).collect();
    let mut found = Vec::new();
    for line in hunks.minus.iter().take(MOST_COMPARED) {
        let old = cut(line);
        let mine = names(&old);
        let likeness = |theirs: &BTreeSet<String>| mine.intersection(theirs).count() * 100 / mine.union(theirs).count().max(1);
        if let Some((new, _)) = plus.iter().max_by_key(|(_, names)| likeness(names)).filter(|(_, names)| likeness(names) >= 50) {
            found.push((*line, old, new.clone()));
        }
    }
    found
}

pub fn computation(hunks: &Hunks<'_>, offer: &mut dyn FnMut(f64, String)) {
    const OPERATORS: &str = "+-*/%<>=!&|";
    let defines = hunks.plus.iter().any(|line| defined(line).is_some());
    let is_amount = |token: &&String| token.starts_with(|letter: char| letter.is_ascii_digit());
    let names = |tokens: &[String]| -> Vec<String> { tokens.iter().filter(|token| is_identifier(token)).cloned().collect() };
    let operators =
        |tokens: &[String]| -> String { tokens.iter().filter(|token| OPERATORS.contains(token.as_str())).map(String::as_str).collect() };
    for (line, old, new) in pairs(hunks) {
        let (old_names, new_names) = (names(&old), names(&new));
        // Another number alone is the literals' matter.
        let same_signs = operators(&old) == operators(&new);
        if old_names == new_names && !(same_signs && old.iter().filter(is_amount).count() == new.iter().filter(is_amount).count()) {
            // A condition turned round while the branches changed places decides the same.
            let turned = hunks.cancelled > 0 && line.trim_start().starts_with(['i', '}']) && line.contains("if ");
            offer(if turned { 0.2 } else { 0.35 }, format!("it changes the computation `{}`", shown(line)));
        }
        let differing: Vec<(&String, &String)> = old_names.iter().zip(&new_names).filter(|(from, to)| from != to).collect();
        if let ([(from, to)], true) = (&differing[..], old_names.len() == new_names.len()) {
            // In code that moved to a function of its own, and after a declaration of the new name, names differ by nature.
            let declared = hunks.plus.iter().any(|line| {
                let words: Vec<&str> = line.split_whitespace().collect();
                words.windows(2).any(|pair| pair[0] == to.as_str() && matches!(pair[1], "=" | ":="))
            });
            swapped(line, from, to, same_signs && !defines && !declared, offer);
        }
    }
}

/// One name in a line became another.
fn swapped(line: &str, from: &str, to: &str, rest_is_same: bool, offer: &mut dyn FnMut(f64, String)) {
    const CODECS: [&str; 11] = ["json", "pickle", "msgpack", "avro", "protobuf", "gob", "yaml", "bincode", "xml", "cbor", "kryo"];
    const KEYWORDS: [&str; 8] = ["return", "yield", "else", "elif", "private", "public", "protected", "static"];
    if KEYWORDS.contains(&from) || KEYWORDS.contains(&to) {
        return;
    }
    let constant =
        |name: &str| name.len() > 1 && name.chars().all(|letter| letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == '_');
    match (width(from), width(to)) {
        (Some(old), Some(new)) if new < old => offer(0.7, format!("it narrows {from} to {to}: `{}`", shown(line))),
        (Some(_), Some(_)) => offer(0.2, format!("it widens {from} to {to}")),
        _ if CODECS.contains(&from) && CODECS.contains(&to) => offer(0.6, format!("it reads or writes {to} where it was {from}")),
        _ if constant(from) && constant(to) => offer(0.6, format!("it changes {from} to {to}")),
        _ if ["checked_", "saturating_"].iter().any(|start| from.starts_with(start)) => {
            offer(0.6, format!("it no longer checks for overflow: {to}"))
        }
        _ if rest_is_same => offer(0.4, format!("it uses {to} where it was {from}")),
        _ => {}
    }
}

/// Names and numbers that other programs read.
pub fn wire_format(hunks: &Hunks<'_>, offer: &mut dyn FnMut(f64, String)) {
    const SIGNS: [&str; 12] = [
        "json:\"",
        "serde(",
        "@JsonProperty",
        "@JsonNaming",
        "@JsonFormat",
        "@SerializedName",
        "@Column(",
        "@Table(",
        "bson:\"",
        "protobuf:\"",
        "alias=",
        "xml:\"",
    ];
    let signed = |lines: &[&str]| lines.iter().filter(|line| SIGNS.iter().any(|sign| line.contains(sign))).count();
    let attribute = hunks.plus.iter().chain(&hunks.minus).any(|line| line.contains("serde(") && !line.contains("default"));
    if signed(&hunks.minus) > 0 && signed(&hunks.plus) > 0 || signed(&hunks.minus) > signed(&hunks.plus) || attribute {
        offer(0.6, "it changes a name or form that other programs read".to_owned());
    }
}
