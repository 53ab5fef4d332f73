//! Settings of those who are told, tried from the command line.

use std::process::Output;

use super::receiver::{Receiver, SECRET};
use super::story::{settings, webhook};
use crate::support::process::Home;

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn check_and_tell_say_who_hears_and_who_does_not_and_show_no_secret() {
    let mut receiver = Receiver::up();
    let home = Home::new(&settings(&webhook(&receiver)));
    let tell = |arguments: &[&str]| home.command("tell").args(arguments).output().unwrap();
    let check = || home.command("check").arg("--connect").output().unwrap();
    let (there, tested, checked) = (tell(&[]), tell(&["--test"]), check());
    for output in [&there, &tested, &checked] {
        assert!(output.status.success(), "{}", said(output));
        assert!(said(output).contains(&format!("tell.webhook: ok at http://{}", receiver.address())), "{}", said(output));
        assert!(!said(output).contains(SECRET) && !said(output).contains("/hook"), "{}", said(output));
    }
    let got = receiver.got();
    assert_eq!(got.len(), 1, "only the test is posted");
    assert!(got[0].is_signed() && got[0].json()["type"] == "whydunit.test", "{got:?}");

    receiver.answer(&[401]);
    let refused = tell(&["--test"]);
    assert!(!refused.status.success() && said(&refused).contains("answered 401"), "{}", said(&refused));
    receiver.hang_up();
    for output in [tell(&[]), tell(&["--test"]), check()] {
        assert!(!output.status.success() && said(&output).contains("1 of 1 channels cannot be told"), "{}", said(&output));
    }
    home.settings(&settings(""));
    let nobody = tell(&[]);
    assert!(!nobody.status.success() && said(&nobody).contains("tell.webhook.url"), "{}", said(&nobody));
    home.settings(&settings("[tell.webhook]\nurl = \"http://127.0.0.1:1\"\n"));
    assert!(said(&tell(&[])).contains("tell.webhook.secret"), "a webhook without a secret is refused");
}
