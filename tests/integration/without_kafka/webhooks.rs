//! Webhooks of GitHub and GitLab, signed.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use whydunit::clock;

use super::bodies::{JSON, push};
use super::{PATIENCE, assert_closes, booked, send, settings, wait_booked};
use crate::support::process::{Home, Run};

const SECRET: &str = "hook-secret-of-the-shop";

fn signature(body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(body);
    let digits: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={digits}")
}

fn commits(run: &Run) -> usize {
    run.api("/api/v1/events?source=git").as_array().map_or(0, Vec::len)
}

#[test]
fn a_push_of_github_is_taken_with_its_signature_and_told_once() {
    let ingest = format!("[ingest]\ngithub_secret = \"{SECRET}\"\n");
    let home = Home::new(&settings(&ingest).replace("[web]\n", &format!("[web]\ntoken = \"{}\"\n", "t".repeat(32))));
    let run = home.run();
    let (event, delivery) = (("x-github-event", "push"), ("x-github-delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958"));
    let body = push(&"a".repeat(40), clock::now());
    let (signed, of_another) = (signature(&body), signature(b"{}"));
    for (headers, status) in [
        (vec![JSON, event, delivery, ("x-hub-signature-256", &signed)], 200),
        // Delivered again.
        (vec![JSON, event, delivery, ("x-hub-signature-256", &signed)], 200),
        (vec![JSON, event, delivery, ("x-hub-signature-256", &of_another)], 401),
        (vec![JSON, event, delivery], 401),
        (vec![JSON], 401),
    ] {
        assert_eq!(send(&run, "/ingest/git", &headers, &body).status, status, "{headers:?}");
    }
    let ping = b"{\"zen\": \"Keep it logically awesome.\"}";
    let answer = send(&run, "/ingest/git", &[JSON, ("x-github-event", "ping"), ("x-hub-signature-256", &signature(ping))], ping);
    assert_eq!((answer.status, answer.text().as_str()), (200, "{\"records\":0}"));

    let json = String::from_utf8(push(&"b".repeat(40), clock::now())).unwrap();
    let form = format!("payload={}", json.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>());
    let headers = [("content-type", "application/x-www-form-urlencoded"), event, ("x-hub-signature-256", &signature(form.as_bytes()))];
    assert_eq!(send(&run, "/ingest/git", &headers, form.as_bytes()).status, 200);
    run.terminate();

    // Without the token the rest can be asked.
    home.settings(&settings(&ingest));
    let run = home.run();
    wait_booked(&run, "http-git", "records_read", 3);
    run.wait_until("two commits", PATIENCE, |run| commits(run) == 2);
    assert_eq!(booked(&run, "http-git", "items_seen_before"), 1, "the second delivery told nothing new");
    run.terminate();
    assert_closes(&home);
}

#[test]
fn a_webhook_of_gitlab_is_taken_with_its_token() {
    let home = Home::new(&settings(&format!("[ingest]\ngitlab_token = \"{SECRET}\"\n")));
    let run = home.run();
    let body = serde_json::json!({ "object_kind": "push", "event_name": "push", "ref": "refs/heads/main", "before": "0".repeat(40),
        "after": "c".repeat(40), "user_name": "Ada", "project": { "id": 1, "name": "forge", "path_with_namespace": "shop/forge" },
        "commits": [{ "id": "c".repeat(40), "message": "Smaller pool", "timestamp": clock::now(), "author": { "name": "Ada" } }] });
    let body = body.to_string().into_bytes();
    let event = ("x-gitlab-event", "Push Hook");
    assert_eq!(send(&run, "/ingest/git", &[JSON, event], &body).status, 401);
    assert_eq!(send(&run, "/ingest/git", &[JSON, event, ("x-gitlab-token", "wrong-wrong")], &body).status, 401);
    assert_eq!(send(&run, "/ingest/git", &[JSON, event, ("x-gitlab-token", SECRET)], &body).status, 200);
    run.wait_until("its commit", PATIENCE, |run| commits(run) == 1);
    run.terminate();
}

#[test]
fn a_cloud_event_in_binary_mode_keeps_its_attributes() {
    let home = Home::new(&settings(""));
    let run = home.run();
    let headers = [
        JSON,
        ("ce-specversion", "1.0"),
        ("ce-id", "flag-17"),
        ("ce-source", "/flags"),
        ("ce-type", "shop.flag.changed"),
        ("ce-subject", "new%20checkout"),
    ];
    assert_eq!(send(&run, "/ingest/manual", &headers, b"{\"service\": \"checkout\"}").status, 200);
    let found = |run: &Run| run.api("/api/v1/events?source=manual").to_string();
    run.wait_until("its event", PATIENCE, |run| found(run).contains("shop.flag.changed: new checkout"));
    run.terminate();
    assert_closes(&home);
}
