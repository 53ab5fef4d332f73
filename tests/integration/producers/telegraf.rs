//! Telegraf on a real machine, in both of its formats.

use super::agent::{Agent, installed};
use super::{Reader, Topic, wait_for};
use crate::support::kafka::KafkaServer;

const TOPICS: [Topic; 2] = [Topic { name: "telegraf-influx", source: "metrics" }, Topic { name: "telegraf-json", source: "metrics" }];

#[test]
#[ignore = "needs the producers of tests/support/install.sh producers"]
fn what_telegraf_measures_of_this_machine_is_read() {
    let server = KafkaServer::shared();
    let reader = Reader::start(server, &TOPICS);
    let folder = tempfile::tempdir().unwrap();
    let mut settings = "[agent]\ninterval = \"1s\"\nflush_interval = \"1s\"\nhostname = \"node-1\"\n".to_owned();
    for format in ["influx", "json"] {
        settings += &format!(
            "[[outputs.kafka]]\nbrokers = [\"{}\"]\ntopic = \"telegraf-{format}\"\ndata_format = \"{format}\"\ncompression_codec = 1\n",
            server.brokers()
        );
    }
    settings += "[[inputs.cpu]]\npercpu = true\ncollect_cpu_time = true\n[[inputs.mem]]\n[[inputs.system]]\n";
    let path = folder.path().join("telegraf.conf");
    std::fs::write(&path, settings).unwrap();
    let telegraf = Agent::start(&format!("'{}' --config '{}' --quiet", installed("telegraf").display(), path.display()));
    for Topic { name, .. } in TOPICS {
        wait_for(server, name, 60);
    }
    telegraf.end();

    reader.account(server, "telegraf-influx").assert_all_understood(&["influx_line"]);
    reader.account(server, "telegraf-json").assert_all_understood(&["telegraf_json"]);
    reader.verify();
}
