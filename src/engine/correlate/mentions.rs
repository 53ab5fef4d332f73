//! Which services an error text names: where nobody writes spans, the only sign of who depends on whom.
//!
//! A name counts only as a whole token, whatever the writing (`payment-service`, `PaymentService`, `payment_service`), and
//!
//! 1. anywhere, when it can be nothing but a service: written in full and ending in `service` or `svc`, or of three parts
//!    (`ts-order-other`);
//! 2. as an address: `http://name/`, `name:8080` in a text that speaks of a connection, `name.ns.svc`, `name.internal`, also
//!    as a replica (`name-0`), and as the service of a gRPC method (`/shop.Payment/Charge`);
//! 3. next to a word of calling (`calling name`, `lookup name`, `connection to name`, `response from name`, `upstream=name`), if
//!    the sentence ends there or goes on as one about a call does: `call to order timed out`, not `call to order pizza`.
//!
//! `payment` and `payment-service` mean each other by 2 and 3 when only one of them is known. Names in paths, in file names and in
//! public hosts are none, nor is a service's own.

use std::collections::{BTreeMap, BTreeSet};

/// Bytes of a text that are looked at.
const MAX_BYTES: usize = 1_000;

/// Called with the callee next: `dial inventory`, `upstream=inventory`.
const CALLS: &str = "connect connecting call calling dial dialing dialling lookup resolve resolving reach reaching ping invoke invoking \
    enotfound eai_again econnrefused econnreset";
/// What stands before a host: `host: inventory`.
const HOSTS: &str = "host hostname upstream peer backend addr address endpoint callee unknownhostexception unknownhost";
/// Before "to": `connection to inventory`.
const TO: &str = "connect connecting connected connection connections call calls request requests rpc rpcs dial dialing dialling talk \
    talking channel stream handshake socket";
/// Before "from": `response from inventory`; so does a status of 400 to 599.
const FROM: &str = "response responses reply answer timeout error errors status disconnected";
/// Before "with": `handshake with inventory`.
const WITH: &str = "connection handshake talking communicating communication";
/// Between "connection" and "by": `connection reset by inventory`.
const BY: &str = "refused reset closed dropped";
/// May stand between a word of calling and the name.
const SKIPPED: &str = "the service svc server";
/// How a sentence about a call goes on behind the callee.
const GOES_ON: &str = "service svc server api host instance pod endpoint cluster failed fails failing failure refused rejected returned \
    returns timed timeout unavailable unreachable unhealthy down slow closed reset dropped aborted cancelled canceled exceeded responded answered \
    error errors took gave got was is has did does could cannot on at over via in with for after within because while when and but";
/// A text with one of these speaks of a connection.
const NETWORK: &str = "connect connecting connection call calling dial dialing lookup resolve host upstream refused timeout timed \
    unreachable unavailable reset socket tcp udp http grpc rpc tls handshake eof broken econnrefused econnreset etimedout enotfound";
/// Last labels of hosts inside: of a cluster's DNS, or never public.
const INSIDE: &str = "svc local internal consul cluster intranet lan localdomain";
/// Last labels that are none of ours: public hosts, beside all of two letters, and files.
const ELSEWHERE: &str = "com net org dev cloud app info biz java php cpp hpp scala jsx tsx mjs groovy swift dart proto html css json yaml yml \
    toml xml log jar war txt conf cfg ini sql pem crt key exe dll zip tar";

fn has(list: &str, word: &str) -> bool {
    list.split_ascii_whitespace().any(|known| known.eq_ignore_ascii_case(word))
}

/// Letters and digits in lower case: what the writings of a name have in common.
fn squashed(name: &str) -> String {
    name.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// What a squashed name is without its ending `service` or `svc`, if it has one.
fn stem(squashed: &str) -> Option<&str> {
    let stem = squashed.strip_suffix("service").or_else(|| squashed.strip_suffix("svc"))?;
    (stem.len() >= 2).then_some(stem)
}

fn core(name: &str) -> String {
    let full = squashed(name.rsplit('/').next().unwrap_or(name));
    stem(&full).map(str::to_owned).unwrap_or(full)
}

/// Names of the services of one environment, to be looked for in texts.
#[derive(Clone, Debug, Default)]
pub struct KnownNames<'a> {
    by_full: BTreeMap<String, BTreeSet<&'a str>>,
    by_core: BTreeMap<String, BTreeSet<&'a str>>,
}

/// The service a token means, and whether it is written in full.
struct Meaning<'a> {
    service: &'a str,
    in_full: bool,
}

impl<'a> KnownNames<'a> {
    pub fn new(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut known = Self::default();
        // What gave no name is called unknown, and so is much else.
        for name in names.into_iter().filter(|name| !name.starts_with("unknown")) {
            let full = squashed(name.rsplit('/').next().unwrap_or(name));
            if full.len() >= 2 {
                known.by_full.entry(full).or_default().insert(name);
                known.by_core.entry(core(name)).or_default().insert(name);
            }
        }
        known
    }

    /// Services that an error text of `itself` names, by name. Costs a look-up for each token of the text's first 1,000 bytes.
    pub fn named_in(&self, text: &str, itself: &str) -> BTreeSet<&'a str> {
        let text = Text::new(text);
        let itself = core(itself);
        let named = (0..text.tokens.len()).filter_map(|index| self.named_at(&text, index));
        named.filter(|service| core(service) != itself).collect()
    }

    fn named_at(&self, text: &Text<'_>, index: usize) -> Option<&'a str> {
        let token = text.tokens.get(index)?;
        // A replica of a stateful set is an address of its service, and nothing else.
        let replica = token.text.rsplit_once(['-', '_']).filter(|(_, number)| number.bytes().all(|byte| byte.is_ascii_digit()));
        let written = self.meaning(token.text);
        let as_replica = replica.and_then(|(base, _)| self.meaning(base));
        let meaning = written.as_ref().or(as_replica.as_ref())?;
        let is_written = written.is_some();
        let counts = is_written && meaning.in_full && is_unmistakable(token.text) && text.stands_alone(index)
            || text.is_address(index)
            || is_written && (text.is_grpc_service(index) || text.is_called(index));
        counts.then_some(meaning.service)
    }

    /// What a token means; nothing when it may mean several.
    fn meaning(&self, token: &str) -> Option<Meaning<'a>> {
        let full = squashed(token);
        if let Some(services) = self.by_full.get(&full) {
            let same = services.iter().find(|service| service.eq_ignore_ascii_case(token));
            let service = same.or_else(|| services.first().filter(|_| services.len() == 1))?;
            return Some(Meaning { service, in_full: true });
        }
        let services = self.by_core.get(stem(&full).unwrap_or(&full)).filter(|services| services.len() == 1)?;
        services.first().map(|service| Meaning { service, in_full: false })
    }
}

/// True for what no sentence uses as a word.
fn is_unmistakable(token: &str) -> bool {
    stem(&squashed(token)).is_some() || token.split(['-', '_']).filter(|part| !part.is_empty()).count() >= 3
}

/// A maximal run of letters, digits, `-` and `_`.
struct Token<'t> {
    text: &'t str,
    start: usize,
    end: usize,
}

struct Text<'t> {
    text: &'t str,
    tokens: Vec<Token<'t>>,
}

impl<'t> Text<'t> {
    fn new(text: &'t str) -> Self {
        let text = text.get(..text.floor_char_boundary(MAX_BYTES)).unwrap_or(text);
        let is_part = |letter: char| letter.is_alphanumeric() || letter == '-' || letter == '_';
        let mut tokens = Vec::new();
        let mut rest = 0;
        for run in text.split(|letter: char| !is_part(letter)) {
            let start = text.get(rest..).and_then(|tail| tail.find(run)).map_or(rest, |offset| rest + offset);
            rest = start + run.len();
            let trimmed = run.trim_matches(['-', '_']);
            if !trimmed.is_empty() {
                let start = start + run.find(trimmed).unwrap_or(0);
                tokens.push(Token { text: trimmed, start, end: start + trimmed.len() });
            }
        }
        Self { text, tokens }
    }

    fn speaks_of_connections(&self) -> bool {
        self.tokens.iter().any(|token| has(NETWORK, token.text) || is_failing_status(token.text))
    }

    fn before(&self, at: usize) -> &'t str {
        self.text.get(..at).unwrap_or_default()
    }

    fn after(&self, at: usize) -> &'t str {
        self.text.get(at..).unwrap_or_default()
    }

    /// True for what is part of no path, file or dotted name.
    fn stands_alone(&self, index: usize) -> bool {
        let Some(token) = self.tokens.get(index) else { return false };
        let joined = self.before(token.start).ends_with(['/', '\\', '.', '@', '$']);
        !joined && !has_label_next(self.after(token.end))
    }

    /// The host whose first label this is, and where it ends.
    fn host(&self, index: usize) -> Option<(&'t str, usize)> {
        let token = self.tokens.get(index)?;
        let before = self.before(token.start);
        let in_path = before.ends_with('/') && !before.ends_with("//");
        if in_path || before.ends_with(['.', '\\', '$']) {
            return None;
        }
        let mut end = token.end;
        while has_label_next(self.after(end)) {
            let label = self.after(end + 1);
            end += 1 + label.find(|letter: char| !letter.is_alphanumeric() && letter != '-' && letter != '_').unwrap_or(label.len());
        }
        Some((self.text.get(token.start..end)?, end))
    }

    fn is_address(&self, index: usize) -> bool {
        let Some((host, end)) = self.host(index) else { return false };
        let start = self.tokens.get(index).map_or(0, |token| token.start);
        if is_inside(host) || is_elsewhere(host) {
            return is_inside(host);
        }
        let before = self.before(start);
        // Also behind a user's name: amqp://shop:secret@queue/.
        let authority = before.rsplit([' ', '"', '\'', '/']).next().unwrap_or_default();
        let has_scheme = before.strip_suffix(authority).is_some_and(|head| head.ends_with("//"));
        let is_user = self.after(end).split(['/', ' ', '"', '\'']).next().is_some_and(|rest| rest.contains('@'));
        let has_scheme = has_scheme && !is_user && (authority.is_empty() || authority.ends_with('@'));
        has_scheme || port(self.after(end)).is_some() && self.speaks_of_connections()
    }

    /// `/package.Service/Method`, or without the first slash.
    fn is_grpc_service(&self, index: usize) -> bool {
        let Some(token) = self.tokens.get(index) else { return false };
        let is_method =
            self.after(token.end).strip_prefix('/').is_some_and(|method| method.starts_with(|letter: char| letter.is_uppercase()));
        let package = self.before(token.start).rsplit(|letter: char| !letter.is_alphanumeric() && letter != '.' && letter != '_').next();
        let package = package.unwrap_or_default();
        let head = self.before(token.start - package.len());
        let (slash, head) = head.strip_suffix('/').map_or((false, head), |head| (true, head));
        is_method && (slash || package.ends_with('.')) && !head.ends_with(|letter: char| letter.is_alphanumeric() || letter == '/')
    }

    /// Next to a word of calling, in a sentence that goes on like one.
    fn is_called(&self, index: usize) -> bool {
        let Some((host, end)) = self.host(index) else { return false };
        let Some(token) = self.tokens.get(index) else { return false };
        // A word of calling is the word, whatever is called so.
        let is_word = [CALLS, HOSTS, TO, FROM, SKIPPED].iter().any(|list| has(list, token.text));
        if is_word || host.contains('.') && is_elsewhere(host) {
            return false;
        }
        let goes_on = self.goes_on(end);
        let mut at = index;
        for _ in 0..=2 {
            let Some((word, gap)) = self.word_before(at) else { return false };
            match word {
                // A field's value is no part of a sentence.
                _ if has(HOSTS, word) && gap == Gap::Value => return true,
                _ if has(HOSTS, word) && gap != Gap::Else => return goes_on,
                _ if !goes_on || gap == Gap::Sentence || gap == Gap::Else => return false,
                _ if has(CALLS, word) => return true,
                _ if gap == Gap::Space && has(SKIPPED, word) => at -= 1,
                _ => return gap == Gap::Space && self.is_phrase(at - 1),
            }
        }
        false
    }

    /// True when the token is a preposition behind its noun: "connection to".
    fn is_phrase(&self, index: usize) -> bool {
        let preposition = self.tokens.get(index).map(|token| token.text).unwrap_or_default();
        let noun = |at: usize| self.word_before(at).filter(|(_, gap)| *gap == Gap::Space).map(|(word, _)| word);
        let Some(word) = noun(index) else { return false };
        match preposition.to_ascii_lowercase().as_str() {
            "to" => has(TO, word),
            "from" => has(FROM, word) || is_failing_status(word),
            "with" => has(WITH, word),
            "by" => has(BY, word) && noun(index - 1).is_some_and(|word| word.eq_ignore_ascii_case("connection")),
            _ => false,
        }
    }

    fn word_before(&self, index: usize) -> Option<(&'t str, Gap)> {
        let (word, token) = (self.tokens.get(index.checked_sub(1)?)?, self.tokens.get(index)?);
        Some((word.text, Gap::of(self.text.get(word.end..token.start)?)))
    }

    /// True when the sentence ends behind a callee, or goes on about the call.
    fn goes_on(&self, end: usize) -> bool {
        let rest = self.after(end);
        let next = rest.trim_start();
        if next.len() == rest.len() {
            return !rest.starts_with('=');
        }
        let word = next.split(|letter: char| !letter.is_alphanumeric()).next().unwrap_or_default();
        word.is_empty() && !next.starts_with('#') || has(GOES_ON, word)
    }
}

/// What stands between two tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gap {
    Space,
    /// As between a key and its value: `upstream=cart`, `"host": "cart"`.
    Value,
    /// A colon and a space: `host: cart`, and `failed to connect: cart is empty`.
    Sentence,
    Else,
}

impl Gap {
    fn of(text: &str) -> Self {
        let opens = |letter: char| letter.is_whitespace() || matches!(letter, '"' | '\'' | '`' | '(' | '[' | '{' | '<' | '\\' | '/');
        match text.trim_matches(opens) {
            "" if !text.contains('/') => Self::Space,
            ":" if text.ends_with(' ') => Self::Sentence,
            ":" | "=" => Self::Value,
            _ => Self::Else,
        }
    }
}

/// True when a dot and another label follow.
fn has_label_next(rest: &str) -> bool {
    rest.strip_prefix('.').is_some_and(|label| label.starts_with(|letter: char| letter.is_alphanumeric()))
}

/// True for names of a cluster's DNS, and others that are never public.
fn is_inside(host: &str) -> bool {
    let mut labels = host.split('.').skip(1);
    labels.any(|label| label == "svc") || host.rsplit_once('.').is_some_and(|(_, last)| has(INSIDE, last))
}

/// True for public hosts, addresses in digits, and files.
fn is_elsewhere(host: &str) -> bool {
    let Some((_, last)) = host.rsplit_once('.') else { return false };
    last.len() <= 2 || last.bytes().all(|byte| byte.is_ascii_digit()) || has(ELSEWHERE, last)
}

/// The port at the head of a text: two digits or more.
fn port(rest: &str) -> Option<u16> {
    let digits = rest.strip_prefix(':')?;
    let end = digits.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(digits.len());
    let goes_on = digits.get(end..).is_some_and(|rest| rest.starts_with(|letter: char| letter.is_alphanumeric()));
    digits.get(..end).filter(|digits| digits.len() >= 2 && !goes_on).and_then(|digits| digits.parse().ok())
}

fn is_failing_status(word: &str) -> bool {
    word.len() == 3 && word.parse().is_ok_and(|status: u16| (400..600).contains(&status))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOP: [&str; 9] =
        ["web", "order", "orders", "customer", "inventory", "payment-service", "shippingservice", "ts-order-other", "shop/search"];

    fn named(text: &str) -> Vec<&'static str> {
        KnownNames::new(SHOP).named_in(text, "web").into_iter().collect()
    }

    #[test]
    fn a_service_is_named_by_its_address() {
        for text in [
            "connect to inventory:8080 refused",
            "dial tcp inventory:8080: i/o timeout",
            "Get \"http://inventory/stock/7\": EOF",
            "Get \"http://inventory.shop:8080/stock/7\": EOF",
            "amqp://shop:secret@inventory/ closed",
            "dial tcp: lookup inventory.prod.svc.cluster.local on 10.0.0.10:53: no such host",
            "no answer of inventory-0.inventory.prod.svc",
            "connect ECONNREFUSED inventory-2:5432",
            "inventory.internal does not answer",
        ] {
            assert_eq!(named(text), ["inventory"], "{text}");
        }
    }

    #[test]
    fn a_service_is_named_next_to_a_word_of_calling() {
        for text in [
            "call to inventory timed out",
            "could not reach the inventory service",
            "timeout calling inventory",
            "dial tcp: lookup inventory: no such host",
            "lookup inventory.prod on 10.0.0.10:53: server misbehaving",
            "java.net.UnknownHostException: inventory",
            "getaddrinfo ENOTFOUND inventory",
            "Could not resolve host: inventory",
            "upstream=inventory status=503",
            r#"{"msg":"failed","upstream": "inventory"}"#,
            "got 503 from inventory",
            "error from inventory: out of stock",
            "Connection reset by inventory",
            "request to 'inventory' failed",
        ] {
            assert_eq!(named(text), ["inventory"], "{text}");
        }
    }

    #[test]
    fn however_it_is_written() {
        for text in [
            "payment-service: pool exhausted",
            "PaymentService is unavailable",
            "PAYMENT_SERVICE answered 500",
            "call to payment failed",
            "payment:8080: connection refused",
            "rpc /shop.v1.PaymentService/Charge: deadline exceeded",
            "shop.PaymentService/Charge failed",
        ] {
            assert_eq!(named(text), ["payment-service"], "{text}");
        }
        assert_eq!(named("could not connect to shipping"), ["shippingservice"]);
        assert_eq!(named("POST http://shipping-service/quote: 500"), ["shippingservice"]);
        assert_eq!(named("ts-order-other returned nothing"), ["ts-order-other"]);
        assert_eq!(named("connect to search:9200 refused"), ["shop/search"]);
        assert_eq!(named("calling orders failed, calling inventory failed"), ["inventory", "orders"]);
    }

    #[test]
    fn an_ordinary_word_names_nobody() {
        for text in [
            "order placed for customer",
            "could not place order 17 for customer 4",
            "order:12345 not found",
            "wrong call order of hooks",
            "request to order pizza failed",
            "connect order=7",
            "call order #7 failed",
            "amqp://order:secret@queue/ closed",
            "failed to connect: order is empty",
            "payment declined",
            "mail to customer bounced",
            "removed from order",
            "customer called inventory line",
            "an order of orders, web inventory",
            "",
        ] {
            assert!(named(text).is_empty(), "{text}: {:?}", named(text));
        }
    }

    #[test]
    fn paths_files_and_public_hosts_name_nobody() {
        for text in [
            "GET http://gateway/payment-service/charge: 500",
            "open /var/log/payment-service/app.log: no space left",
            "at com.shop.PaymentService.charge(PaymentService.java:118)",
            "Order.java:1180: connection refused",
            "https://orders.example.com/: connection refused",
            "connect to customer.example.co.uk:443 refused",
            "connect to 10.0.0.7:8080 refused",
            "payment-service.yaml: bad indentation",
            "reading payment-service-config",
        ] {
            assert!(named(text).is_empty(), "{text}: {:?}", named(text));
        }
    }

    #[test]
    fn nobody_names_itself_and_nobody_is_named_by_what_may_mean_two() {
        let known = KnownNames::new(["payment", "payment-service", "cart-service", "cart_svc"]);
        assert!(known.named_in("call to payment-service failed", "payment").is_empty(), "two names of one");
        assert_eq!(known.named_in("call to payment-service failed", "web"), BTreeSet::from(["payment-service"]));
        assert!(known.named_in("call to cart failed", "web").is_empty());
        assert_eq!(known.named_in("call to cart_svc failed", "web"), BTreeSet::from(["cart_svc"]));
    }

    #[test]
    fn any_bytes_will_do_and_a_long_text_is_cut() {
        for text in [
            "ä:80",
            "://",
            "//:@",
            ".svc",
            "-",
            "/Ö/Ä",
            "connect to ü.svc:80",
            "connection by",
            "to order",
            "by order",
            "\u{1F600}order:80",
        ] {
            named(text);
        }
        let long = format!("{}é call to inventory failed", "x".repeat(999));
        assert!(named(&long).is_empty());
    }
}
