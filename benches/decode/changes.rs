//! Changes, alerts and notes.

use whydunit::model::Source;

use super::lines::{message, service, time};
use super::{Bare, Case, bare};

const VALUE: Option<Bare> = Some(("serde_json::Value", bare::json_value));

pub(super) const CASES: &[Case] = &[
    Case { format: "github", source: Source::Git, record: github, bare: VALUE },
    Case { format: "gitlab", source: Source::Ci, record: gitlab, bare: VALUE },
    Case { format: "cdevents", source: Source::Ci, record: cdevents, bare: VALUE },
    Case { format: "cloudevents", source: Source::Ci, record: cloudevents, bare: VALUE },
    Case { format: "argocd", source: Source::Ci, record: argocd, bare: VALUE },
    Case { format: "kubernetes", source: Source::Manual, record: kubernetes, bare: VALUE },
    Case { format: "alertmanager", source: Source::Manual, record: alertmanager, bare: VALUE },
    Case { format: "manual", source: Source::Manual, record: manual, bare: VALUE },
];

fn sha(n: u64) -> String {
    format!("{:040x}", u128::from(n) * 0x9e37_79b9_7f4a_7c15)
}

fn github(n: u64) -> Vec<u8> {
    format!(
        concat!(
            r#"{{"action":"completed","workflow_run":{{"id":{n},"name":"build","head_branch":"main","head_sha":"{sha}","run_attempt":1,"status":"completed","#,
            r#""conclusion":"success","event":"push","html_url":"https://example.org/runs/{n}","created_at":"{time}","updated_at":"{time}","#,
            r#""run_started_at":"{time}","actor":{{"login":"ada"}},"head_commit":{{"id":"{sha}","message":"{message}","author":{{"name":"Ada"}}}}}},"#,
            r#""repository":{{"name":"service-{service:02}","full_name":"shop/service-{service:02}","default_branch":"main"}},"sender":{{"login":"ada"}}}}"#
        ),
        n = n,
        sha = sha(n),
        time = time(n),
        message = message(n),
        service = service(n)
    )
    .into_bytes()
}

fn gitlab(n: u64) -> Vec<u8> {
    format!(
        concat!(
            r#"{{"object_kind":"pipeline","object_attributes":{{"id":{n},"ref":"main","sha":"{sha}","status":"success","created_at":"{time}","#,
            r#""finished_at":"{time}","duration":63,"url":"https://example.org/p/{n}"}},"user":{{"username":"ada"}},"#,
            r#""project":{{"name":"service-{service:02}","path_with_namespace":"shop/service-{service:02}","default_branch":"main"}},"#,
            r#""commit":{{"id":"{sha}","message":"{message}","author":{{"name":"Ada"}}}},"builds":[]}}"#
        ),
        n = n,
        sha = sha(n),
        time = time(n),
        message = message(n),
        service = service(n)
    )
    .into_bytes()
}

fn cdevents(n: u64) -> Vec<u8> {
    format!(
        concat!(
            r#"{{"context":{{"version":"0.4.1","id":"{n}","source":"/ci","type":"dev.cdevents.service.deployed.0.2.0","timestamp":"{time}"}},"#,
            r#""subject":{{"id":"service-{service:02}","source":"/ci","type":"service","content":{{"environment":{{"id":"production"}},"#,
            r#""artifactId":"pkg:oci/service-{service:02}@sha256%3A{sha}"}}}}}}"#
        ),
        n = n,
        time = time(n),
        service = service(n),
        sha = sha(n)
    )
    .into_bytes()
}

fn cloudevents(n: u64) -> Vec<u8> {
    format!(
        r#"{{"specversion":"1.0","id":"{n}","source":"/shop","type":"org.example.flag.changed","time":"{}","subject":"service-{:02}","data":{{"flag":"{}"}}}}"#,
        time(n),
        service(n),
        message(n)
    )
    .into_bytes()
}

fn argocd(n: u64) -> Vec<u8> {
    format!(
        concat!(
            r#"{{"producer":"argocd","app":"service-{:02}","namespace":"production","phase":"Succeeded","revision":"{}","#,
            r#""repository":"https://example.org/shop/deploy.git","started_at":"{}","finished_at":"{}"}}"#
        ),
        service(n),
        sha(n),
        time(n),
        time(n)
    )
    .into_bytes()
}

fn kubernetes(n: u64) -> Vec<u8> {
    format!(
        concat!(
            r#"{{"kind":"Event","apiVersion":"v1","metadata":{{"name":"service-{service:02}.{n}","namespace":"production","uid":"u{n}","creationTimestamp":"{time}"}},"#,
            r#""involvedObject":{{"kind":"Pod","namespace":"production","name":"service-{service:02}-6d5f8c7b9d-x2x4z"}},"reason":"BackOff","#,
            r#""message":"Back-off restarting failed container","type":"Warning","count":{count},"lastTimestamp":"{time}","source":{{"component":"kubelet","host":"node-1"}}}}"#
        ),
        n = n,
        count = n % 9 + 1,
        time = time(n),
        service = service(n)
    )
    .into_bytes()
}

fn alertmanager(n: u64) -> Vec<u8> {
    format!(
        concat!(
            r#"{{"version":"4","receiver":"whydunit","status":"firing","groupKey":"g","commonLabels":{{}},"commonAnnotations":{{}},"externalURL":"http://alertmanager","#,
            r#""alerts":[{{"status":"firing","labels":{{"alertname":"HighErrors","service":"service-{:02}","severity":"critical"}},"#,
            r#""annotations":{{"summary":"{}"}},"startsAt":"{}","endsAt":"0001-01-01T00:00:00Z","fingerprint":"{:016x}","generatorURL":"http://prometheus"}}]}}"#
        ),
        service(n),
        message(n),
        time(n),
        n
    )
    .into_bytes()
}

fn manual(n: u64) -> Vec<u8> {
    format!(r#"{{"type":"note","title":"{}","timestamp":"{}","service":"service-{:02}"}}"#, message(n), time(n), service(n)).into_bytes()
}
