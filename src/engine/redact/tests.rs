#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::borrow::Cow;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde_json::json;

use super::{RedactOptions, Redactor};
use crate::model::{Event, Severity, Source, Timestamp};

fn redacted(text: &str) -> String {
    Redactor::default().redact(text).into_owned()
}

#[test]
fn a_credential_is_taken_out_and_what_is_around_it_stays() {
    for (text, shown) in [
        ("login password=hunter2 user=bob", "login password=[redacted authorization] user=bob"),
        ("DB_PASSWORD: hunter2", "DB_PASSWORD: [redacted authorization]"),
        (r#"{"user":"bob","api_key":"k-1","n":1}"#, r#"{"user":"bob","api_key":"[redacted authorization]","n":1}"#),
        (r#"sent {\"clientSecret\":\"a b\"}"#, r#"sent {\"clientSecret\":\"[redacted authorization]\"}"#),
        (r#"password="hunter \"2\" x" next"#, r#"password="[redacted authorization]" next"#),
        ("GET /cb?code=7&access_token=abc&state=x", "GET /cb?code=7&access_token=[redacted authorization]&state=x"),
        ("Authorization: Bearer abc.def status 401", "Authorization: [redacted authorization] status 401"),
        ("authorization: Digest username=\"bob\", response=\"6629\"", "authorization: [redacted authorization]\"bob\", response=\"6629\""),
        ("sent Bearer s3cretTokenValue to cart", "sent Bearer [redacted authorization] to cart"),
        ("Basic dXNlcjpwYXNz", "Basic [redacted authorization]"),
        ("postgres://shop:hunter2@db.example.com:5432/shop", "postgres://[redacted authorization]@db.example.com:5432/shop"),
        ("key AKIAIOSFODNN7EXAMPLE used", "key [redacted authorization] used"),
        ("jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln end", "jwt [redacted authorization] end"),
        ("a\n-----BEGIN RSA PRIVATE KEY-----\nMIIB\n-----END RSA PRIVATE KEY-----\nb", "a\n[redacted authorization]\nb"),
        ("cut -----BEGIN PRIVATE KEY-----\nMIIB", "cut [redacted authorization]"),
        ("<password>hunter2</password>", "<password>[redacted authorization]</password>"),
        ("Set-Cookie: sid=abc; Path=/\nnext", "Set-Cookie: [redacted cookie]\nnext"),
        ("curl -H 'Cookie: a=b; c=d' /", "curl -H 'Cookie: [redacted cookie]' /"),
    ] {
        assert_eq!(redacted(text), shown, "{text}");
    }
}

#[test]
fn a_card_number_has_a_right_check_digit_and_an_issuer() {
    for (text, shown) in [
        ("card 4111111111111111 refused", "card [redacted card] refused"),
        ("card 4111 1111 1111 1111, order 12", "card [redacted card], order 12"),
        ("card 3782-822463-10005", "card [redacted card]"),
        ("order 77 5500-0000-0000-0004 99", "order 77 [redacted card] 99"),
    ] {
        assert_eq!(redacted(text), shown, "{text}");
    }
    for text in ["4111111111111112", "1700000000000000006", "id a4111111111111111", "0.4111111111111111", "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1"]
    {
        assert!(matches!(Redactor::default().redact(text), Cow::Borrowed(_)), "{text}");
    }
}

#[test]
fn an_address_is_no_package_and_no_host() {
    assert_eq!(redacted("mail to ann.o@shop.example.com, now"), "mail to [redacted e-mail], now");
    for text in ["left-pad@1.2.3", "git@github.com:shop/cart.git", "amqp://cart@queue.example.com/", "@Override at cart"] {
        assert_eq!(redacted(text), text);
    }
}

#[test]
fn what_only_speaks_of_secrets_stays() {
    for text in [
        "invalid token: expected a word",
        "password: must have 8 characters",
        "Basic authentication failed for user bob",
        "token=null cookie=",
        "wrote 12 tokens: 4 new",
        "password reset for bob took 12ms",
        "2026-11-29 10:11:12,123 GET /orders/8842 200 17 - 1763388000123456789",
    ] {
        assert!(matches!(Redactor::default().redact(text), Cow::Borrowed(_)), "{text}: {}", redacted(text));
    }
}

#[test]
fn json_is_read_by_its_names() {
    let mut value = json!({
        "headers": { "Cookie": ["a=b"], "X-Api-Key": 12345, "accept": "*/*" },
        "attributes": [{ "key": "http.request.header.authorization", "value": { "stringValue": "abc" } }],
        "author": "Ann <ann@shop.example.com>",
        "diff": "+token = next()\n+password = 'hunter2'\n+API_KEY=abc123",
        "note": "from bob@shop.example.com",
        "number": 4_111_111_111_111_111_u64,
    });
    assert!(Redactor::default().redact_json(&mut value));
    assert_eq!(
        value,
        json!({
            "headers": { "Cookie": ["[redacted cookie]"], "X-Api-Key": "[redacted authorization]", "accept": "*/*" },
            "attributes": [{ "key": "http.request.header.authorization", "value": { "stringValue": "[redacted authorization]" } }],
            "author": "Ann <ann@shop.example.com>",
            "diff": "+token = next()\n+password = '[redacted authorization]'\n+API_KEY=[redacted authorization]",
            "note": "from [redacted e-mail]",
            "number": "[redacted card]",
        })
    );
}

#[test]
fn what_is_switched_off_stays_and_own_expressions_are_taken_out() {
    let options =
        RedactOptions { cards: false, author_emails: true, expressions: vec!["EMP-[0-9]{6}".to_owned()], ..RedactOptions::default() };
    assert_eq!(options.problems(), []);
    let redactor = Redactor::new(&options);
    assert_eq!(redactor.redact("EMP-123456 paid with 4111111111111111"), "[redacted] paid with 4111111111111111");
    let mut author = json!({ "author": "ann@shop.example.com" });
    redactor.redact_json(&mut author);
    assert_eq!(author["author"], "[redacted e-mail]");
    let off = Redactor::new(&RedactOptions { enabled: false, ..options });
    assert_eq!(off.redact("EMP-123456 password=hunter2"), "EMP-123456 password=hunter2");
}

#[test]
fn an_expression_that_cannot_be_used_is_named() {
    let expressions = ["a(b".to_owned(), "x*".to_owned(), "ok".to_owned(), "y".repeat(2_000)];
    let problems = RedactOptions { expressions: expressions.into(), ..RedactOptions::default() }.problems();
    let keys: Vec<_> = problems.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, ["expressions.0", "expressions.1", "expressions.3"]);
    assert!(problems[1].1.contains("empty text"), "{problems:?}");
}

#[test]
fn events_that_differ_only_in_a_secret_stay_two_events() {
    let event = |id: &str| {
        let mut event = Event::new(id.to_owned(), Timestamp::from_seconds(0), Source::Manual, "note", Severity::Info, "t");
        event.source_id = Some(format!("{id}@shop.example.com"));
        Redactor::default().redact_event(&mut event);
        event.source_id.unwrap()
    };
    assert!(event("ann").starts_with("[redacted e-mail]#") && event("ann") != event("bob"), "{}", event("ann"));
    assert_eq!(event("ann"), event("ann"));
}

#[test]
fn records_are_shown_without_secrets_whatever_they_are() {
    let redactor = Redactor::default();
    let shown = |bytes: &[u8]| redactor.redact_bytes(bytes).map(|bytes| String::from_utf8(bytes).unwrap());
    assert_eq!(shown(br#"{"a":{"password":"x y"}}"#).unwrap(), r#"{"a":{"password":"[redacted authorization]"}}"#);
    assert_eq!(shown(b"\xff\x00password=hunter2").unwrap(), "[redacted]");
    assert_eq!((shown(b"\xff\x00plain"), shown(b"plain"), shown(b"{\"a\": 1}")), (None, None, None));
    assert_eq!(redactor.redact_header("X-Auth-Token", b"abc").unwrap(), b"[redacted authorization]");
}

fn texts() -> impl Strategy<Value = String> {
    let parts = prop_oneof![
        Just("password".to_owned()),
        Just("Cookie".to_owned()),
        Just("Authorization".to_owned()),
        Just("token".to_owned()),
        Just("Bearer ".to_owned()),
        Just("4111 1111 1111 1111".to_owned()),
        Just("a@b.com".to_owned()),
        Just("://u:p@h".to_owned()),
        Just("-----BEGIN PRIVATE KEY-----".to_owned()),
        Just("-----END PRIVATE KEY-----".to_owned()),
        Just("eyJhbGciOiJI.eyJz".to_owned()),
        Just("[redacted authorization]".to_owned()),
        Just("é".to_owned()),
        "[ =:>\"'\\\\\\\\,;&\\n\\]@.-]{1,2}",
        "[0-9 -]{1,22}",
        "\\PC{0,6}",
    ];
    proptest::collection::vec(parts, 0..12).prop_map(|parts| parts.concat())
}

/// The seed of a random test is printed, and `WHYDUNIT_SEED` runs it again.
fn seeded() -> ProptestConfig {
    let given = std::env::var("WHYDUNIT_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0));
    println!("rerun with WHYDUNIT_SEED={seed}");
    ProptestConfig { rng_seed: RngSeed::Fixed(seed), failure_persistence: None, ..ProptestConfig::with_cases(1_000) }
}

proptest! {
    #![proptest_config(seeded())]

    #[test]
    fn redacting_twice_changes_nothing_more_and_nothing_panics(text in texts()) {
        let once = redacted(&text);
        prop_assert_eq!(&redacted(&once), &once, "from {:?}", text);
    }

    #[test]
    fn a_secret_behind_its_name_is_gone_whatever_stands_around(before in "[a-z ]{0,20}", secret in "[A-Za-z0-9]{6,30}x9", after in "[a-z ]{0,20}") {
        for text in [
            format!("{before} password={secret} {after}"),
            format!("{before} \"token\": \"{secret}\" {after}"),
            format!("{before} Authorization: Bearer {secret} {after}"),
            format!("{before} Cookie: sid={secret}; a=b\n{after}"),
            format!("{before} https://ann:{secret}@shop.example.com/ {after}"),
        ] {
            prop_assert!(!redacted(&text).contains(&secret), "{:?}", text);
        }
    }

    #[test]
    fn plain_words_and_numbers_are_borrowed(text in "([a-z]{1,9}|[0-9]{1,12}[a-z]| |/|\\.){0,40}") {
        prop_assume!(!["token", "secret", "pwd", "bearer", "basic"].iter().any(|word| text.contains(word)));
        prop_assert!(matches!(Redactor::default().redact(&text), Cow::Borrowed(_)), "{}", text);
    }
}
