//! Lines of text: kcat with what programs print, and rsyslog with what it receives.

use std::io::Write;
use std::net::TcpStream;
use std::process::{Command, Stdio};

use super::agent::{Agent, until};
use super::{PATIENCE, Reader, Topic, wait_for};
use crate::support::kafka::KafkaServer;
use crate::support::ports::Port;

/// One of each kind a program prints.
const LINES: [(&str, &str); 9] = [
    ("text", "2026-11-23 14:02:11,482 ERROR [worker-1] com.shop.Cart - no stock of item 17"),
    ("text", "10.0.0.7 - ada [23/Nov/2026:14:02:11 +0000] \"GET /cart/17 HTTP/1.1\" 502 157 \"-\" \"curl/8.5\""),
    ("text", "ERROR:root:payment of order 17 refused"),
    ("text", "Übersicht geladen in 17 ms"),
    ("logfmt", "time=2026-11-23T14:02:11Z level=error msg=\"no stock\" service=cart item=17"),
    ("syslog", "<131>1 2026-11-23T14:02:11.003Z node-1 cart 4711 ID47 - no stock of item 17"),
    ("syslog", "<131>Nov 23 14:02:11 node-1 cart[4711]: no stock of item 17"),
    ("cri", "2026-11-23T14:02:11.003000000Z stderr F level=error msg=\"no stock\" service=cart"),
    ("json_logs", "{\"time\":1795442531.482,\"level\":\"error\",\"msg\":\"no stock\",\"service\":\"cart\"}"),
];
const REPEATS: usize = 200;

#[test]
#[ignore = "needs the producers of tests/support/install.sh producers"]
fn lines_that_kcat_writes_are_each_a_log_line_of_their_own_format() {
    let server = KafkaServer::shared();
    let reader = Reader::start(server, &[Topic { name: "kcat", source: "logs" }]);
    let mut kcat = Command::new("kcat")
        .args(["-b", &server.brokers(), "-P", "-t", "kcat", "-z", "snappy"])
        .stdin(Stdio::piped())
        .spawn()
        .expect("kcat runs");
    let mut input = kcat.stdin.take().unwrap();
    for _ in 0..REPEATS {
        LINES.iter().for_each(|(_, line)| writeln!(input, "{line}").unwrap());
    }
    drop(input);
    assert!(kcat.wait().unwrap().success());

    let account = reader.account(server, "kcat");
    account.assert_all_understood(&["cri", "json_logs", "logfmt", "syslog", "text"]);
    assert_eq!(account.items, (LINES.len() * REPEATS) as u64);
    for (format, records) in &account.mix {
        assert_eq!(*records, (LINES.iter().filter(|(of, _)| of == format).count() * REPEATS) as u64, "{format}");
    }
    reader.verify();
}

#[test]
#[ignore = "needs the producers of tests/support/install.sh producers"]
fn what_rsyslog_forwards_is_read_whichever_template_it_has() {
    let server = KafkaServer::shared();
    let reader = Reader::start(
        server,
        &[
            Topic { name: "rsyslog-5424", source: "logs" },
            Topic { name: "rsyslog-3164", source: "logs" },
            Topic { name: "rsyslog-json", source: "logs" },
        ],
    );
    let folder = tempfile::tempdir().unwrap();
    let port = Port::reserve();
    let mut settings = format!(
        concat!(
            "global(workDirectory=\"{work}\")\nmodule(load=\"imtcp\")\nmodule(load=\"omkafka\")\ninput(type=\"imtcp\" address=\"127.0.0.1\" port=\"{port}\")\n",
            "template(name=\"json\" type=\"list\" option.jsonf=\"on\") {{\n",
            "  property(outname=\"@timestamp\" name=\"timereported\" dateFormat=\"rfc3339\" format=\"jsonf\")\n",
            "  property(outname=\"host\" name=\"hostname\" format=\"jsonf\")\n",
            "  property(outname=\"severity\" name=\"syslogseverity-text\" format=\"jsonf\")\n",
            "  property(outname=\"service\" name=\"programname\" format=\"jsonf\")\n",
            "  property(outname=\"message\" name=\"msg\" format=\"jsonf\")\n}}\n"
        ),
        work = folder.path().display(),
        port = port.number()
    );
    for (topic, template) in
        [("rsyslog-5424", "RSYSLOG_SyslogProtocol23Format"), ("rsyslog-3164", "RSYSLOG_ForwardFormat"), ("rsyslog-json", "json")]
    {
        settings += &format!("action(type=\"omkafka\" broker=\"{}\" topic=\"{topic}\" template=\"{template}\")\n", server.brokers());
    }
    let path = folder.path().join("rsyslog.conf");
    std::fs::write(&path, settings).unwrap();
    let rsyslog = Agent::start(&format!("rsyslogd -n -f '{}' -i '{}'", path.display(), folder.path().join("pid").display()));
    let address = ("127.0.0.1", port.number());
    until("rsyslog listens", PATIENCE, || TcpStream::connect(address).is_ok());
    let mut stream = TcpStream::connect(address).unwrap();
    for n in 0..REPEATS {
        writeln!(stream, "<131>1 2026-11-23T14:02:{:02}.003Z node-1 cart 4711 ID47 - no \"stock\" of item {n}", n % 60).unwrap();
        writeln!(stream, "<30>Nov 23 14:02:{:02} node-2 payment[812]: order {n} paid", n % 60).unwrap();
    }
    drop(stream);
    for topic in ["rsyslog-5424", "rsyslog-3164", "rsyslog-json"] {
        wait_for(server, topic, 2 * REPEATS as u64);
    }
    rsyslog.end();

    for (topic, format) in [("rsyslog-5424", "syslog"), ("rsyslog-3164", "syslog"), ("rsyslog-json", "json_logs")] {
        let account = reader.account(server, topic);
        account.assert_all_understood(&[format]);
        assert!(account.items >= 2 * REPEATS as u64, "{topic}: {}", account.items);
    }
    reader.verify();
}
