//! Alertmanager's own webhook, through a relay that writes what it gets to Kafka.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};
use whydunit::kafka::producer::{OutgoingRecord, Producer};

use super::agent::{Agent, until};
use super::{PATIENCE, Reader, Topic, wait_for};
use crate::support::kafka::KafkaServer;
use crate::support::ports::Port;
use crate::support::shop::patient_producer;

const TOPIC: &str = "alerts";

/// Takes requests until the test ends.
fn relay(listener: TcpListener, producer: Producer) {
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            take(stream.unwrap(), &producer);
        }
    });
}

fn take(stream: TcpStream, producer: &Producer) {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    producer.send(&OutgoingRecord { topic: TOPIC, partition: None, key: None, value: Some(&body), headers: &[], timestamp: None }).unwrap();
    producer.flush(PATIENCE).unwrap();
    reader.get_mut().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
}

#[test]
#[ignore = "needs the producers of tests/support/install.sh producers"]
fn an_alert_that_alertmanager_sends_opens_and_closes() {
    let server = KafkaServer::shared();
    let reader = Reader::start(server, &[Topic { name: TOPIC, source: "manual" }]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let webhook = listener.local_addr().unwrap();
    relay(listener, patient_producer(server));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("alertmanager.yml");
    let settings = format!(
        "route:\n  receiver: relay\n  group_by: [alertname, service]\n  group_wait: 0s\n  group_interval: 1s\nreceivers:\n- name: relay\n  webhook_configs:\n  - url: http://{webhook}/\n    send_resolved: true\n"
    );
    std::fs::write(&path, settings).unwrap();
    let port = Port::reserve();
    let alertmanager = Agent::start(&format!(
        "prometheus-alertmanager --config.file='{}' --storage.path='{}' --web.listen-address=127.0.0.1:{} --cluster.listen-address= --log.level=error",
        path.display(),
        folder.path().join("data").display(),
        port.number()
    ));
    let url = format!("http://127.0.0.1:{}", port.number());
    until("Alertmanager is ready", PATIENCE, || ureq::get(format!("{url}/-/ready")).call().is_ok());

    let alert = |service: &str| json!({ "labels": { "alertname": "HighErrors", "service": service, "severity": "critical" }, "annotations": { "summary": format!("{service} fails") } });
    let post = |alerts: &Value| {
        ureq::post(format!("{url}/api/v2/alerts")).send_json(alerts).map(|answer| assert_eq!(answer.status(), 200)).unwrap()
    };
    post(&json!([alert("cart"), alert("payment")]));
    wait_for(server, TOPIC, 2);
    let mut over = alert("cart");
    over["endsAt"] = json!(whydunit::clock::now());
    post(&json!([over]));
    wait_for(server, TOPIC, 3);
    alertmanager.end();

    let account = reader.account(server, TOPIC);
    account.assert_all_understood(&["alertmanager"]);
    reader.run.wait_until("both alerts and the one's end are events", Duration::from_secs(60), |run| {
        run.api("/api/v1/events?source=manual").as_array().is_some_and(|events| events.len() >= 3)
    });
    println!("{}", reader.run.api("/api/v1/events?source=manual"));
    reader.verify();
}
