//! What a diff adds to a program: calls that leave the process, work in loops, containers that grow, tasks, waits.

use std::collections::BTreeSet;

use super::super::evidence::words;
use super::DiffPower;
use super::cancel::Hunks;
use super::file::Language;
use super::guards;
use super::meaning::key_words;

/// Words of calls that leave the process.
const IO: &str = "query exec execute fetch call post publish dial write insert update delete invoke request connect lookup download upload select save \
    persist refresh";
/// The same, where what they are called on says so or their answer is waited for: maps and lists have methods of these names.
const MAYBE_IO: &str = "get find read list load do send put open one first all join add push pull set remove check count scan filter";
/// What such calls are called on.
const OUTSIDE: &str = "repository repo client dao store db database session http rest api service conn connection redis s3 queue producer axios requests objects cursor \
    fetch gateway template collection bucket mongo kafka jdbc prisma knex sequelize stub remote channel";
/// What is written to without leaving the process, or by answering.
const NEAR: &str = "w rw writer buf buffer out sb builder res response hash hasher digest stdout stderr bytes";
/// Calls of the language and of error handling.
const PLAIN: [&str; 37] = [
    "if",
    "for",
    "while",
    "switch",
    "match",
    "func",
    "fn",
    "def",
    "return",
    "make",
    "len",
    "new",
    "append",
    "cap",
    "String",
    "Error",
    "Errorf",
    "Close",
    "Grow",
    "Reset",
    "Done",
    "Println",
    "Printf",
    "Some",
    "Ok",
    "Err",
    "Box",
    "Arc",
    "catch",
    "of",
    "super",
    "str",
    "isinstance",
    "require",
    "WithTimeout",
    "WithDeadline",
    "WithCancel",
];
/// Words of names that only watch or tell of errors.
const WATCHING: &str = "prometheus metric metrics counter counters histogram histograms gauge gauges span spans attribute attributes log logger logging header headers err error errors timer \
    tracing stats errorf";

/// A call as written: `s.client.FetchRates`.
fn calls(line: &str) -> Vec<&str> {
    let bytes = line.as_bytes();
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.' || byte == b':';
    let mut found = Vec::new();
    for (at, _) in line.match_indices('(') {
        let end = line[..at].trim_end().len();
        let start = bytes[..end].iter().rposition(|byte| !is_name(*byte)).map_or(0, |before| before + 1);
        let name = line[start..end].trim_start_matches(|letter: char| !letter.is_ascii_alphabetic() && letter != '_');
        if !name.is_empty() {
            found.push(name);
        }
    }
    found
}

fn last_part(call: &str) -> &str {
    call.rsplit(['.', ':']).next().unwrap_or(call)
}

/// What a call is made on: `client` of `s.client.Fetch`.
fn receiver(call: &str) -> &str {
    call.rsplit(['.', ':']).find(|part| !part.is_empty() && *part != last_part(call)).unwrap_or_default()
}

/// Words of one name, cut like all words, short ones included.
fn verbs(name: &str) -> BTreeSet<String> {
    let mut split = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() {
            split.push(' ');
        }
        split.push(if letter == '_' { ' ' } else { letter });
    }
    split.split_whitespace().map(|word| word.chars().take(5).flat_map(char::to_lowercase).collect()).collect()
}

fn stems(list: &str) -> BTreeSet<String> {
    list.split_whitespace().map(|word| word.chars().take(5).collect()).collect()
}

pub fn defined(line: &str) -> Option<&str> {
    let rest = ["func ", "def ", "function ", "fn "].iter().find_map(|keyword| line.split_once(keyword)).map(|(_, rest)| rest)?;
    // A method's receiver stands before its name.
    let rest = if rest.starts_with('(') { rest.split_once(')')?.1 } else { rest };
    rest.trim_start().split(|letter: char| !letter.is_alphanumeric() && letter != '_').next().filter(|name| !name.is_empty())
}

fn is_loop(line: &str) -> bool {
    let line = line.trim_start();
    let heads = ["for ", "for(", "while ", "while(", "loop {", "async for "];
    heads.iter().any(|head| line.starts_with(head)) || is_inline_loop(line)
}

/// A loop within one expression.
fn is_inline_loop(line: &str) -> bool {
    [".forEach(", ".map(async", ".map((", ".for_each(", ".each "].iter().any(|head| line.contains(head))
        || line.contains(" for ") && line.contains(" in ") && line.contains(['[', '('])
}

/// The strongest of the structural rules.
pub fn structural_power(hunks: &Hunks<'_>, language: Language) -> DiffPower {
    let mut best = DiffPower::default();
    let mut offer = |power: f64, reason: String| {
        if power > best.power {
            best = DiffPower { power, reason, ..DiffPower::default() };
        }
    };
    new_calls(hunks, language, &mut offer);
    containers(hunks, &mut offer);
    tasks(hunks, &mut offer);
    waits(hunks, &mut offer);
    guards::lost(hunks, &mut offer);
    guards::locks(hunks, &mut offer);
    guards::computation(hunks, &mut offer);
    guards::wire_format(hunks, &mut offer);
    guards::removed(hunks, &mut offer);
    if best.power == 0.0 {
        best = rewording(hunks);
    }
    best
}

/// Loops that are open at a line, by indentation.
#[derive(Default)]
struct Loops(Vec<usize>);

impl Loops {
    /// Takes the next line; true when it stands inside a loop or is one that does its work in one expression.
    fn holds(&mut self, line: &str) -> bool {
        let indent = line.len() - line.trim_start().len();
        if !line.trim().is_empty() {
            self.0.retain(|head| *head < indent);
        }
        let inside = !self.0.is_empty() || is_inline_loop(line);
        if is_loop(line) {
            self.0.push(indent);
        }
        inside
    }
}

fn new_calls(hunks: &Hunks<'_>, language: Language, offer: &mut dyn FnMut(f64, String)) {
    let before = hunks.context.iter().chain(&hunks.minus);
    let known: BTreeSet<&str> = before.clone().flat_map(|line| calls(line)).map(last_part).collect();
    let known_verbs: BTreeSet<(String, String)> = before
        .clone()
        .flat_map(|line| calls(line))
        .flat_map(|call| verbs(last_part(call)).into_iter().map(|verb| (receiver(call).to_owned(), verb)).collect::<Vec<_>>())
        .collect();
    let known_words: BTreeSet<String> = before.flat_map(|line| words(line)).collect();
    let own: BTreeSet<&str> = hunks.plus.iter().filter_map(|line| defined(line)).collect();
    let watching: BTreeSet<&str> = WATCHING.split_whitespace().collect();
    let (io, maybe, outside) = (stems(IO), stems(MAYBE_IO), stems(OUTSIDE));
    let (mut loops, mut helper_in_loop, mut new_io) = (Loops::default(), None, None);
    for (line, added) in &hunks.after {
        let in_loop = loops.holds(line);
        if !*added || language == Language::Sql {
            continue;
        }
        let waited = line.contains("await ")
            || line.contains(".await")
            || ["(ctx", "(context", "(r.Context"].iter().any(|start| line.contains(start));
        for call in calls(line) {
            let name = last_part(call);
            if known.contains(name)
                || PLAIN.contains(&name)
                || key_words(call).iter().any(|word| watching.contains(word.as_str()))
                || defined(line) == Some(name)
            {
                continue;
            }
            if own.contains(name) {
                helper_in_loop = helper_in_loop.or(in_loop.then_some(call));
                continue;
            }
            let mine = verbs(name);
            let holder = &call[..call.len() - name.len()];
            let far = !verbs(&holder.replace(['.', ':'], "_")).is_disjoint(&outside) || !mine.is_disjoint(&outside) || waited;
            let leaves = !mine.is_disjoint(&io) && !NEAR.split_whitespace().any(|near| near == receiver(call).to_lowercase())
                || far && !mine.is_disjoint(&maybe);
            // The same verb of the same thing is no new dealing with the world outside.
            let verbs_known = mine
                .iter()
                .filter(|verb| io.contains(*verb) || maybe.contains(*verb))
                .all(|verb| known_verbs.iter().any(|(thing, known)| known == verb && (*thing == receiver(call) || thing.is_empty())));
            if leaves && !verbs_known {
                new_io = new_io.or(Some(call));
                offer(if in_loop { 0.9 } else { 0.5 }, format!("it adds a call of {call}{}", if in_loop { " inside a loop" } else { "" }));
            } else if words(name).iter().any(|word| !known_words.contains(word)) {
                let power = match (waited, in_loop) {
                    (true, true) => 0.9,
                    (true, false) => 0.5,
                    _ => 0.2,
                };
                offer(power, format!("it adds a call of {call}"));
            }
        }
        let lower = line.to_lowercase();
        if lower.contains("select ") && lower.contains(" from ") && !known_words.contains("selec") {
            new_io = new_io.or(Some("SQL"));
            offer(if in_loop { 0.9 } else { 0.5 }, "it adds an SQL query".to_owned());
        }
    }
    if let (Some(helper), Some(io)) = (helper_in_loop, new_io) {
        offer(0.9, format!("it calls {helper} in a loop, which makes a new call of {io}"));
    }
}

/// Adding to a new process-wide container; a bound named in the diff makes it harmless.
fn containers(hunks: &Hunks<'_>, offer: &mut dyn FnMut(f64, String)) {
    const BOUNDS: [&str; 15] = [
        "lru", "evict", "evicts", "bounded", "ring", "max", "maxsize", "maximum", "limit", "expire", "expires", "ttl", "weak", "delete",
        "remove",
    ];
    const KINDS: [&str; 22] = [
        "[]",
        "map[",
        "make(",
        "HashMap",
        "Vec<",
        "Vec::new",
        "List",
        "{}",
        "new Map",
        "new Set",
        "Set(",
        "set()",
        "dict()",
        "list()",
        "defaultdict",
        "deque()",
        "Map<",
        "BTreeMap",
        "Dictionary",
        "Queue",
        "mutableMap",
        "DashMap",
    ];
    let body = hunks.plus.join("\n");
    let bounded = BOUNDS.iter().any(|word| key_words(&body).contains(*word));
    for line in &hunks.plus {
        // Go declares without a value: `var recent []Item`.
        let declared = line.strip_prefix("var ").and_then(|rest| rest.split_once(' ')).filter(|_| !line.contains('='));
        let Some((head, kind)) = declared.or_else(|| line.split_once('=')) else { continue };
        let indented = line.starts_with([' ', '\t']);
        let shared = head.contains("static ") || !indented;
        let name = head
            .split(':')
            .next()
            .unwrap_or_default()
            .split(|letter: char| !letter.is_alphanumeric() && letter != '_')
            .rfind(|word| !word.is_empty());
        let holds = KINDS.iter().any(|word| kind.contains(word) || head.contains(word));
        let Some(name) = name.filter(|_| holds && shared && !kind.trim_start().starts_with('=')) else { continue };
        let grows = [
            format!("append({name}"),
            format!("{name}["),
            format!("{name}.push"),
            format!("{name}.add"),
            format!("{name}.append"),
            format!("{name}.put"),
            format!("{name}.set("),
            format!("{name}.insert"),
            format!("{name}.lock()"),
            format!("{name}.computeIfAbsent"),
            format!("{name}.entry("),
            format!("{name}.setdefault"),
        ];
        if grows.iter().any(|growth| body.contains(growth.as_str())) {
            offer(if bounded { 0.25 } else { 0.9 }, format!("it lets {name} grow{}", if bounded { "" } else { " without a bound" }));
        }
    }
}

fn has(lines: &[&str], words: &[&str]) -> bool {
    lines.iter().any(|line| words.iter().any(|word| line.contains(word)))
}

fn tasks(hunks: &Hunks<'_>, offer: &mut dyn FnMut(f64, String)) {
    const TASKS: [&str; 13] = [
        "go func",
        "new Thread",
        "tokio::spawn",
        "thread::spawn",
        "create_task",
        "ensure_future",
        "setInterval",
        "threading.Thread",
        "Thread.start",
        ".submit(",
        "runAsync(",
        "supplyAsync(",
        "GlobalScope.launch",
    ];
    if has(&hunks.plus, &TASKS) && !has(&hunks.minus, &TASKS) {
        let mut loops = Loops::default();
        let in_loop = hunks.after.iter().any(|(line, added)| loops.holds(line) && *added && has(&[line], &TASKS));
        offer(
            if in_loop { 0.7 } else { 0.5 },
            format!("it adds a background task{}", if in_loop { " for each turn of a loop" } else { "" }),
        );
    }
}

/// Waiting where others wait too: a blocking call among asynchronous ones, a pause, a connection made anew.
fn waits(hunks: &Hunks<'_>, offer: &mut dyn FnMut(f64, String)) {
    const BLOCKING: [&str; 12] = [
        "std::fs::",
        "std::thread::sleep",
        "thread::sleep",
        "requests.",
        "urllib.request",
        "time.sleep",
        "execSync(",
        ".block()",
        "Thread.sleep",
        "runBlocking",
        "block_on(",
        "subprocess.",
    ];
    let everything = || hunks.after.iter().map(|(line, _)| *line).chain(hunks.minus.iter().copied());
    let asynchronous = everything().any(|line| ["async ", "await ", ".await"].iter().any(|word| line.contains(word)));
    let synchronous = |lines: &[&str]| lines.iter().any(|line| calls(line).iter().any(|call| call.ends_with("Sync") && call.len() > 6));
    if synchronous(&hunks.plus) && !synchronous(&hunks.minus)
        || asynchronous && has(&hunks.plus, &BLOCKING) && !has(&hunks.minus, &BLOCKING)
    {
        offer(0.7, "it adds a blocking call where others wait for the same thread".to_owned());
    }
    const CLIENTS: [&str; 14] = [
        "new HttpClient",
        "&http.Client{",
        "http.Client{",
        "AsyncClient(",
        "requests.Session()",
        "new Pool(",
        "createPool(",
        "create_engine(",
        "sql.Open(",
        "new MongoClient",
        "DriverManager.getConnection",
        "Client::new()",
        "createConnection(",
        "psycopg2.connect(",
    ];
    let inside: Vec<&str> = hunks.plus.iter().copied().filter(|line| line.starts_with([' ', '\t'])).collect();
    if has(&inside, &CLIENTS) && !has(&hunks.minus, &CLIENTS) {
        offer(0.5, "it makes a client or connection of its own".to_owned());
    }
    let pauses = ["time.Sleep(", "Thread.sleep(", "sleep(", "usleep("];
    if has(&hunks.plus, &pauses) && !has(&hunks.minus, &pauses) {
        offer(0.5, "it adds a pause".to_owned());
    }
}

/// Nothing but words: .05 to .20 by the share of words that were not there before.
fn rewording(hunks: &Hunks<'_>) -> DiffPower {
    if hunks.plus.is_empty() && hunks.minus.is_empty() {
        let kinds: Vec<&str> = hunks.left_out.iter().copied().collect();
        return match (kinds.is_empty(), hunks.cancelled > 0) {
            (true, true) => DiffPower::new(0.05, "it moves, renames or lays out what was there"),
            (false, _) => DiffPower::new(0.02, &format!("it changes only {}", kinds.join(", "))),
            (true, false) => DiffPower::new(0.02, "it changes only comments or white space"),
        };
    }
    let known: BTreeSet<String> = hunks.minus.iter().chain(&hunks.context).flat_map(|line| words(line)).collect();
    let now: Vec<String> = hunks.plus.iter().flat_map(|line| words(line)).collect();
    let new = now.iter().filter(|word| !known.contains(*word)).count() as f64 / now.len().max(1) as f64;
    DiffPower::new(0.05 + 0.15 * new, if new < 0.3 { "it rewrites code with the same words" } else { "it is a small code change" })
}
