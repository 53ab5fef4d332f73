//! What a secret looks like in a text, and how far it reaches.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::{Place, RedactOptions, card};

pub(super) const AUTHORIZATION: &str = "[redacted authorization]";
pub(super) const COOKIE: &str = "[redacted cookie]";
pub(super) const CARD: &str = "[redacted card]";
pub(super) const EMAIL: &str = "[redacted e-mail]";
pub(super) const EXPRESSION: &str = "[redacted]";
/// How all of these begin.
const REDACTED: &str = "[redacted";

/// Between a name and its value: `=`, `:`, `=>`, the quotes of JSON (escaped or not), the end of an XML tag.
const MARK: &str = r#"\]?\\*["']?(?:[ \t]{0,3}(?:=>|:=|[:=])[ \t]{0,3}|>)"#;

/// One group for each rule; in one pass. Words end where no letter of ASCII follows, so that no table of Unicode is needed.
static SIGNS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let rules = [
        format!(r"(?i-u:set-cookie2?|cookies?|jsessionid|phpsessid|asp\.net_sessionid|connect\.sid){MARK}"),
        format!(r"(?i-u:authorization){MARK}"),
        format!(
            r"(?i-u:passw(?:or)?d|passphrase|pwd|secret|token|credentials?|(?:api|access|secret|private|account|encryption|signing|auth)[_.-]?key|x-amz-signature){MARK}"
        ),
        r"(?-u:\b)(?i-u:bearer|basic)[ \t]{1,3}[A-Za-z0-9._~+/=-]{8,}".to_owned(),
        r"(?-u:\b)(?:(?:AKIA|ASIA)[A-Z0-9]{16}|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)?|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,}|xox[abprs]-[A-Za-z0-9-]{10,}|[sr]k_live_[A-Za-z0-9]{16,}|AIza[A-Za-z0-9_-]{35})".to_owned(),
        r"-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----".to_owned(),
        r#"://[^\s/?#@"'<>]*:[^\s/?#"'<>]+@"#.to_owned(),
        r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}".to_owned(),
        r"[0-9](?:[ -]?[0-9]){12,}".to_owned(),
    ];
    Regex::new(&rules.map(|rule| format!("({rule})")).join("|")).ok()
});

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    Cookie,
    Header,
    Named,
    Scheme,
    KnownShape,
    PrivateKey,
    Url,
    Email,
    Card,
}

/// In the order of the groups.
const RULES: [Rule; 9] =
    [Rule::Cookie, Rule::Header, Rule::Named, Rule::Scheme, Rule::KnownShape, Rule::PrivateKey, Rule::Url, Rule::Email, Rule::Card];

/// The text without what the options want out.
pub(super) fn applied<'t>(text: &'t str, place: Place, options: &RedactOptions) -> Cow<'t, str> {
    let Some(signs) = SIGNS.as_ref() else { return Cow::Borrowed(text) };
    let mut out = String::new();
    let (mut copied, mut at) = (0, 0);
    while let Some(captures) = signs.captures_at(text, at) {
        let Some((rule, sign)) = rule_of(&captures) else { break };
        at = sign.end;
        if !is_wanted(rule, place, options) {
            continue;
        }
        let Some((secret, marker)) = secret_of(rule, text, sign, place) else { continue };
        out.push_str(&text[copied..secret.start]);
        out.push_str(marker);
        copied = secret.end;
        at = at.max(copied);
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[copied..]);
    Cow::Owned(out)
}

fn rule_of(captures: &Captures<'_>) -> Option<(Rule, Range<usize>)> {
    RULES.into_iter().zip(1..).find_map(|(rule, group)| Some((rule, captures.get(group)?.range())))
}

const fn is_wanted(rule: Rule, place: Place, options: &RedactOptions) -> bool {
    match rule {
        Rule::Cookie => options.cookies,
        Rule::Card => options.cards,
        Rule::Email => options.emails && (options.author_emails || !matches!(place, Place::Author)),
        _ => options.authorization,
    }
}

/// Where the secret lies behind or in its sign, and what stands for it. `None` where there is none.
fn secret_of(rule: Rule, text: &str, sign: Range<usize>, place: Place) -> Option<(Range<usize>, &'static str)> {
    match rule {
        Rule::Cookie => Some((value(text, sign.end, Reach::Line)?, COOKIE)),
        Rule::Header => Some((value(text, sign.end, Reach::Header)?, AUTHORIZATION)),
        Rule::Named => {
            let reach = if matches!(place, Place::Code) { Reach::Literal } else { Reach::Word };
            Some((value(text, sign.end, reach)?, AUTHORIZATION))
        }
        Rule::Scheme => {
            let space = text[sign.clone()].find([' ', '\t'])?;
            let token = text[sign.start + space..sign.end].trim_start();
            looks_random(token).then_some((sign.end - token.len()..sign.end, AUTHORIZATION))
        }
        Rule::KnownShape => Some((sign, AUTHORIZATION)),
        Rule::PrivateKey => {
            let end = text[sign.end..].find("-----END").map_or(text.len(), |end| sign.end + end);
            let end = text[end..].strip_prefix("-----END").and_then(|rest| Some(end + 8 + rest.find("-----")? + 5)).unwrap_or(text.len());
            Some((sign.start..end, AUTHORIZATION))
        }
        Rule::Url => Some((sign.start + 3..sign.end - 1, AUTHORIZATION)).filter(|(secret, _)| !text[secret.clone()].ends_with(']')),
        Rule::Email => {
            let is_user_of_a_host = text[..sign.start].ends_with("//") || text[sign.clone()].starts_with("git@");
            (!is_user_of_a_host).then_some((sign, EMAIL))
        }
        Rule::Card => {
            let is_part_of_more = |next: Option<char>| next.is_some_and(|next| next.is_ascii_alphanumeric() || next == '_');
            let before = text[..sign.start].chars().next_back();
            if is_part_of_more(before) || before == Some('.') || is_part_of_more(text[sign.end..].chars().next()) {
                return None;
            }
            let found = card::find(&text[sign.clone()])?;
            Some((sign.start + found.start..sign.start + found.end, CARD))
        }
    }
}

/// How far an unquoted value reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// To the end of the line.
    Line,
    /// A scheme and its token; to the end of the line after a scheme with more parts.
    Header,
    Word,
    /// A word of a source file or a settings file: one that could be code is none.
    Literal,
}

/// The value that begins at a place: what stands between its quotes, if it has any.
fn value(text: &str, at: usize, reach: Reach) -> Option<Range<usize>> {
    let rest = text.get(at..)?;
    let escapes = rest.bytes().take_while(|byte| *byte == b'\\').count();
    let quote = rest.as_bytes().get(escapes).copied().filter(|byte| matches!(byte, b'"' | b'\'' | b'`'));
    let found = match quote {
        Some(quote) => {
            let start = at + escapes + 1;
            start..start + quoted(&text[start..], quote, escapes > 0)
        }
        None => at..at + unquoted(rest, reach),
    };
    let value = &text[found.clone()];
    let is_secret = !value.starts_with(REDACTED) && (quote.is_some() || is_value(value, reach)) && !is_nothing(value);
    is_secret.then_some(found)
}

fn quoted(rest: &str, quote: u8, is_escaped: bool) -> usize {
    let mut skip = false;
    for (at, byte) in rest.bytes().enumerate() {
        if skip {
            skip = false;
        } else if byte == b'\\' && !is_escaped {
            skip = true;
        } else if byte == quote {
            return rest[..at].trim_end_matches(if is_escaped { '\\' } else { quote as char }).len();
        }
    }
    rest.len()
}

fn unquoted(rest: &str, reach: Reach) -> usize {
    let line = rest.find(['\n', '\r', '"', '\'', '\\']).unwrap_or(rest.len());
    let word = |text: &str| text.find(|c: char| c.is_whitespace() || "&;\"'`<>\\".contains(c)).unwrap_or(text.len());
    match reach {
        Reach::Line => line,
        Reach::Header => {
            let scheme = word(rest);
            let has_one_token = ["bearer", "basic", "token", "negotiate", "apikey", "ntlm"];
            if !has_one_token.iter().any(|known| rest[..scheme].eq_ignore_ascii_case(known)) {
                return line;
            }
            let behind = &rest[scheme..];
            let space = behind.len() - behind.trim_start_matches([' ', '\t']).len();
            scheme + space + word(&behind[space..])
        }
        Reach::Word | Reach::Literal => word(rest),
    }
}

/// Words that follow a name and a colon in what people read.
const PROSE: [&str; 26] = [
    "a",
    "an",
    "and",
    "cannot",
    "denied",
    "does",
    "expected",
    "expired",
    "failed",
    "for",
    "found",
    "got",
    "has",
    "invalid",
    "is",
    "malformed",
    "missing",
    "must",
    "no",
    "not",
    "rejected",
    "required",
    "revoked",
    "the",
    "unexpected",
    "unknown",
];

fn is_value(value: &str, reach: Reach) -> bool {
    match reach {
        Reach::Word => !PROSE.contains(&value.trim_end_matches([',', '.', ':']).to_ascii_lowercase().as_str()),
        Reach::Literal => value.bytes().any(|byte| byte.is_ascii_digit()) && !value.contains(['(', '[', '{', '$', '.']),
        Reach::Line | Reach::Header => true,
    }
}

/// What says that there is no value, or stands for one.
pub(super) fn is_nothing(value: &str) -> bool {
    let bare = value.trim().trim_matches([',', '.', ')', ']', '}', '(', '[', '{', '*', '<', '>', '$', '%', ';', ':', '|', '=', '+', '-']);
    bare.is_empty() || ["null", "none", "nil", "undefined", "true", "false", "empty"].iter().any(|word| word.eq_ignore_ascii_case(bare))
}

/// A token, not a word after `basic` or `bearer`.
fn looks_random(token: &str) -> bool {
    let tail = token.get(1..).unwrap_or_default();
    token.bytes().any(|byte| byte.is_ascii_digit() || byte == b'=') || tail.bytes().any(|byte| byte.is_ascii_uppercase())
}

/// What a field of this name holds; `None` where that is no secret. Case and marks between its words do not count.
pub(super) fn of_name(name: &str, options: &RedactOptions) -> Option<&'static str> {
    const COOKIES: [&str; 6] = ["cookie", "cookies", "cookie2", "jsessionid", "phpsessid", "connectsid"];
    const CREDENTIALS: [&str; 18] = [
        "authorization",
        "password",
        "passwd",
        "passphrase",
        "pwd",
        "secret",
        "token",
        "credential",
        "credentials",
        "apikey",
        "accesskey",
        "secretkey",
        "privatekey",
        "accountkey",
        "encryptionkey",
        "signingkey",
        "authkey",
        "xamzsignature",
    ];
    let plain: String = name.chars().filter(|c| !matches!(c, '_' | '-' | '.' | ' ')).map(|c| c.to_ascii_lowercase()).collect();
    let ends = |names: &[&str]| names.iter().any(|known| plain.ends_with(known));
    match () {
        () if options.cookies && ends(&COOKIES) => Some(COOKIE),
        () if options.authorization && ends(&CREDENTIALS) => Some(AUTHORIZATION),
        () => None,
    }
}
