//! What a diff adds or takes away besides literals: calls, loops, containers, guards, locks, schema changes.

use std::collections::BTreeSet;

use super::diff::{DiffPower, Hunks};
use super::evidence::words;
use super::literal::is_comment;

/// Words of calls that leave the process.
const IO: &str = "query exec select fetch list load call post put send publish dial open write insert update delete invoke request connect join find \
    lookup get do read";
/// Calls of the language and of error handling.
const PLAIN: [&str; 24] = [
    "if", "for", "while", "switch", "match", "func", "fn", "def", "return", "make", "len", "new", "append", "cap", "String", "Error",
    "Errorf", "Close", "Grow", "Reset", "Done", "Println", "Printf", "Some",
];
/// Parts of names that only watch.
const WATCHING: [&str; 10] = ["prometheus", "metric", "counter", "histogram", "span", "attribute", "log.", "logger", "header", "err"];
/// Lines after a loop's head that count as its body.
const LOOP_LINES: usize = 8;

/// A call as written: `s.client.FetchRates`.
fn calls(line: &str) -> Vec<&str> {
    let bytes = line.as_bytes();
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.';
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
    call.rsplit('.').next().unwrap_or(call)
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

fn defined(line: &str) -> Option<&str> {
    let rest = ["func ", "def ", "function ", "fn "].iter().find_map(|keyword| line.split_once(keyword)).map(|(_, rest)| rest)?;
    // A method's receiver stands before its name.
    let rest = if rest.starts_with('(') { rest.split_once(')')?.1 } else { rest };
    rest.trim_start().split(|letter: char| !letter.is_alphanumeric() && letter != '_').next().filter(|name| !name.is_empty())
}

fn is_loop(line: &str) -> bool {
    let line = line.trim_start();
    ["for ", "for(", "while ", "while("].iter().any(|head| line.starts_with(head)) || line.contains("forEach") || line.contains(".map(")
}

/// The strongest of the structural rules.
pub fn structural_power(hunks: &Hunks<'_>) -> DiffPower {
    let mut best = DiffPower::default();
    let mut offer = |power: f64, reason: String| {
        if power > best.power {
            best = DiffPower { power, reason, ..DiffPower::default() };
        }
    };
    new_calls(hunks, &mut offer);
    containers(hunks, &mut offer);
    lost_guards(hunks, &mut offer);
    concurrency(hunks, &mut offer);
    schema(hunks, &mut offer);
    if best.power == 0.0 {
        best = rewording(hunks);
    }
    best
}

fn new_calls(hunks: &Hunks<'_>, offer: &mut dyn FnMut(f64, String)) {
    let before = hunks.context.iter().chain(&hunks.minus);
    let known: BTreeSet<&str> = before.clone().flat_map(|line| calls(line)).map(last_part).collect();
    let known_verbs: BTreeSet<String> = known.iter().flat_map(|name| verbs(name)).collect();
    let known_words: BTreeSet<String> = before.flat_map(|line| words(line)).collect();
    let own: BTreeSet<&str> = hunks.plus.iter().filter_map(|line| defined(line)).collect();
    let io: BTreeSet<String> = IO.split_whitespace().map(|word| word.chars().take(5).collect()).collect();
    let (mut loop_left, mut helper_in_loop, mut new_io) = (0, None, None);
    for (line, added) in &hunks.after {
        if is_loop(line) {
            loop_left = LOOP_LINES;
        }
        if *added && !is_comment(line) && !line.trim_start().starts_with("import") {
            for call in calls(line) {
                let name = last_part(call);
                let lower = call.to_lowercase();
                if known.contains(name)
                    || PLAIN.contains(&name)
                    || WATCHING.iter().any(|part| lower.contains(part))
                    || defined(line) == Some(name)
                {
                    continue;
                }
                if own.contains(name) {
                    helper_in_loop = helper_in_loop.or((loop_left > 0).then_some(call));
                    continue;
                }
                let mine = verbs(name);
                if !mine.is_disjoint(&io) && !mine.intersection(&io).all(|verb| known_verbs.contains(verb)) {
                    new_io = new_io.or(Some(call));
                    let inside = if loop_left > 0 { " inside a loop" } else { "" };
                    offer(if loop_left > 0 { 0.9 } else { 0.5 }, format!("it adds a call of {call}{inside}"));
                } else if words(name).iter().any(|word| !known_words.contains(word)) {
                    let waits = line
                        .split_once(call)
                        .is_some_and(|(_, rest)| ["(ctx", "(context", "(r.Context"].iter().any(|start| rest.starts_with(start)));
                    offer(
                        if waits && loop_left > 0 {
                            0.9
                        } else if waits {
                            0.5
                        } else {
                            0.3
                        },
                        format!("it adds a call of {call}"),
                    );
                }
            }
            let lower = line.to_lowercase();
            if lower.contains("select ") && lower.contains(" from ") && !known_words.contains("selec") {
                new_io = new_io.or(Some("SQL"));
                offer(0.5, "it adds an SQL query".to_owned());
            }
        }
        loop_left = loop_left.saturating_sub(1);
    }
    if let (Some(helper), Some(io)) = (helper_in_loop, new_io) {
        offer(0.9, format!("it calls {helper} in a loop, which makes a new call of {io}"));
    }
}

/// Appending to a new process-wide container; a bound named in the diff makes it harmless.
fn containers(hunks: &Hunks<'_>, offer: &mut dyn FnMut(f64, String)) {
    let body = hunks.plus.join("\n");
    let lower = body.to_lowercase();
    let bounded = ["lru", "evict", "bounded", "ring", "max", "limit"].iter().any(|word| lower.contains(word));
    for line in &hunks.plus {
        let Some(rest) = ["var ", "static ", "let ", "const "].iter().find_map(|keyword| line.strip_prefix(keyword)) else { continue };
        let name = rest.split(|letter: char| !letter.is_alphanumeric() && letter != '_').find(|word| !word.is_empty() && *word != "mut");
        let holds = ["[]", "map[", "make(", "HashMap", "Vec<", "List", "{}"].iter().any(|kind| rest.contains(kind));
        let Some(name) = name.filter(|_| holds) else { continue };
        let grows = [
            format!("append({name}"),
            format!("{name}["),
            format!("{name}.push"),
            format!("{name}.add"),
            format!("{name}.put"),
            format!("{name}.insert"),
        ];
        if grows.iter().any(|growth| body.contains(growth.as_str())) {
            offer(if bounded { 0.3 } else { 0.9 }, format!("it lets {name} grow{}", if bounded { "" } else { " without a bound" }));
        }
    }
}

fn lost_guards(hunks: &Hunks<'_>, offer: &mut dyn FnMut(f64, String)) {
    const GUARDS: [&str; 9] = ["if ", "unless ", "defer ", ".close(", "unlock", "recover(", "catch", "cache.", "validate"];
    let guards = |lines: &[&str]| {
        lines.iter().filter(|line| !is_comment(line)).filter(|line| GUARDS.iter().any(|guard| line.to_lowercase().contains(guard))).count()
    };
    let defines = hunks.plus.iter().any(|line| defined(line).is_some());
    if guards(&hunks.minus) > guards(&hunks.plus) && hunks.plus.len() < hunks.minus.len() && !defines {
        let first = hunks.minus.iter().find(|line| GUARDS.iter().any(|guard| line.to_lowercase().contains(guard)));
        let cut: String = first.map(|line| line.trim().chars().take(50).collect()).unwrap_or_default();
        offer(0.6, format!("it removed the guard `{cut}`"));
    }
}

fn concurrency(hunks: &Hunks<'_>, offer: &mut dyn FnMut(f64, String)) {
    let has = |lines: &[&str], words: &[&str]| lines.iter().any(|line| words.iter().any(|word| line.contains(word)));
    if has(&hunks.plus, &[".Lock(", ".RLock(", ".lock(", "synchronized", ".acquire("])
        && !has(&hunks.minus, &["ock(", "synchronized", ".acquire("])
    {
        offer(0.6, "it adds a lock".to_owned());
    }
    let tasks = ["go func", "new Thread", "tokio::spawn", "create_task", "setInterval"];
    if has(&hunks.plus, &tasks) && !has(&hunks.minus, &tasks) {
        offer(0.5, "it adds a background task".to_owned());
    }
}

fn schema(hunks: &Hunks<'_>, offer: &mut dyn FnMut(f64, String)) {
    let body = hunks.plus.join("\n").to_uppercase();
    if ["ALTER TABLE", "DROP INDEX", "DROP TABLE", "DROP COLUMN", "LOCK TABLE"].iter().any(|statement| body.contains(statement)) {
        offer(0.7, "it changes the database schema".to_owned());
    } else if body.contains("CREATE INDEX") && !body.contains("CREATE INDEX CONCURRENTLY") || body.contains("CREATE UNIQUE INDEX") {
        offer(0.5, "it builds an index while others wait".to_owned());
    }
}

/// Nothing but words: .05 to .20 by the share of words that were not there before.
fn rewording(hunks: &Hunks<'_>) -> DiffPower {
    let code: Vec<&&str> = hunks.plus.iter().filter(|line| !is_comment(line)).collect();
    if code.is_empty() {
        return DiffPower::new(0.02, "it changes only comments or white space");
    }
    let known: BTreeSet<String> = hunks.minus.iter().chain(&hunks.context).flat_map(|line| words(line)).collect();
    let now: Vec<String> = code.iter().flat_map(|line| words(line)).collect();
    let new = now.iter().filter(|word| !known.contains(*word)).count() as f64 / now.len().max(1) as f64;
    DiffPower::new(0.05 + 0.15 * new, if new < 0.3 { "it rewrites code with the same words" } else { "it is a small code change" })
}

#[cfg(test)]
mod tests {
    use super::super::diff::diff_power;

    /// General experience, in our own words: what broke production, and what did not.
    const RISKY: [(&str, &str); 11] = [
        ("deploy/prod/api.yaml", "-    memory: 512Mi\n+    memory: 128Mi"),
        ("deploy/prod/api.yaml", "-  stock_url: http://stock.prod:8080\n+  stock_url: http://stock-next.prod:8080"),
        ("pkg/http/client.go", "-\tMaxRetries: 2,\n-\tBackoff: 500 * time.Millisecond,\n+\tMaxRetries: 10,\n+\tBackoff: 0,"),
        (
            "services/cart/price.go",
            " func sum(c *Cart) int {\n-\tif c.Coupon == nil {\n-\t\treturn c.Total\n-\t}\n \treturn c.Total - c.Coupon.Value",
        ),
        (
            "services/rates/store.go",
            " func (s *Store) Refresh() error {\n+\ts.mu.Lock()\n+\tdefer s.mu.Unlock()\n \tr, err := s.client.FetchRates()",
        ),
        ("db/17.sql", "+DROP INDEX orders_by_customer;"),
        ("services/search/config.go", "-\tUseNewOrder: false,\n+\tUseNewOrder: true,"),
        ("services/report/views.py", "     rows = load(user)\n+    for row in rows:\n+        row.name = Item.objects.find(row.item_id)"),
        ("services/pay/handler.go", " \torder := build(cart)\n+\tif err := h.fraud.Check(ctx, order); err != nil {\n+\t\treturn err\n+\t}"),
        ("services/feed/state.go", "+var recent = map[string]Item{}\n+\trecent[id] = item"),
        ("services/etl/consumer.go", "-const maxPollRecords = 500\n+const maxPollRecords = 50000"),
    ];
    const HARMLESS: [(&str, &str); 9] = [
        ("services/a/h.go", "-\tc := r.Context()\n-\treturn fetch(c, q)\n+\tctx := r.Context()\n+\treturn fetch(ctx, q)"),
        ("services/a/h.go", "-// Foo does a thing\n+// Foo does one thing and returns"),
        ("services/a/h.go", "-\treturn errors.New(\"bad input\")\n+\treturn errors.New(\"invalid input\")"),
        ("services/a/h.go", "-\tlogger.Info(\"done\")\n+\tlogger.Info(\"done\", \"route\", route)"),
        ("web/app.css", "-.a { padding: 8px }\n+.a { padding: 12px }"),
        ("go.mod", "-\tgithub.com/x/y v1.2.3\n+\tgithub.com/x/y v1.2.4"),
        ("docs/a.md", "-old\n+new"),
        ("services/a/c.go", "-\tTimeout: 3 * time.Second,\n+\tTimeout: 5 * time.Second,"),
        ("services/a/h_test.go", "+func TestX(t *testing.T) { x() }"),
    ];

    #[test]
    fn what_can_break_something_outranks_what_cannot() {
        let power = |(file, diff): &(&str, &str)| diff_power("change", &[(*file).to_owned()], Some(diff)).unwrap_or_default();
        let harmless: Vec<_> = HARMLESS.iter().map(|case| (case.0, power(case))).collect();
        let most = harmless.iter().map(|(_, power)| power.power).fold(0.0, f64::max);
        for case in &RISKY {
            let risky = power(case);
            assert!(risky.power > most, "{}: {risky:?} is not above {most}: {harmless:?}", case.1);
        }
    }
}
