//! Half an hour of steady load with garbage and ever new services: memory stays where it is, and the books close.
//!
//! `WHYDUNIT_SOAK_S` (1800) says how long, `WHYDUNIT_SOAK_RATE` (20000) how many records a second.

use std::time::{Duration, Instant};

use whydunit::kafka::producer::{OutgoingRecord, Producer};
use whydunit::model::Timestamp;

use crate::support::kafka::KafkaServer;
use crate::support::process::{Home, Run};
use crate::support::shop::{DELIVERY_PATIENCE, patient_producer};

const TOPIC: &str = "soak.logs";
const PARTITIONS: i32 = 4;
const SERVICES: u64 = 40;
const NEW_SERVICES_A_MINUTE: u64 = 100;
/// One record in so many cannot be read; one is of a service that is new.
const GARBAGE_EVERY: u64 = 100;
const NEW_EVERY: u64 = 20;
const SLICE: Duration = Duration::from_millis(100);
const SAMPLE_EVERY: Duration = Duration::from_secs(5);
/// Growth of resident memory that is allowed once it is warm.
const MOST_MB_A_MINUTE: f64 = 1.0;
const PATIENCE: Duration = Duration::from_secs(300);

fn number_of(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn settings(server: &KafkaServer) -> String {
    format!(
        "[kafka]\nbrokers = \"{}\"\n[web]\nlisten = \"127.0.0.1:0\"\n[ops]\nlisten = \"127.0.0.1:0\"\n\
         [connectors.logs]\nsource = \"logs\"\ntopics = [\"{TOPIC}\"]\nstart = \"earliest\"\n",
        server.brokers()
    )
}

/// One record: a line, or what nobody can read.
fn record(number: u64, elapsed: Duration, at: Timestamp) -> String {
    if number.is_multiple_of(GARBAGE_EVERY) {
        return format!("\u{1}\u{2} neither this nor that {number}");
    }
    let service = if number % NEW_EVERY == 1 {
        // The newest ones, a minute's worth.
        let newest = NEW_SERVICES_A_MINUTE * (elapsed.as_secs() + 60) / 60;
        SERVICES + newest - number / NEW_EVERY % NEW_SERVICES_A_MINUTE
    } else {
        number % SERVICES
    };
    let (level, message) = match number % 50 {
        7 => ("error", "order could not be priced"),
        13 => ("warn", "cache is cold"),
        odd if odd % 2 == 1 => ("info", "order priced"),
        _ => ("info", "basket loaded"),
    };
    format!(
        "{{\"@timestamp\":\"{at}\",\"message\":\"{message} in {} ms\",\"log.level\":\"{level}\",\"service.name\":\"service-{service}\"}}",
        number % 97
    )
}

/// Writes at the rate, or as fast as it goes where that is less. Returns how many.
fn write(producer: &Producer, rate: u64, lasts: Duration, mut each_slice: impl FnMut(Duration)) -> u64 {
    let began = Instant::now();
    let mut number = 0;
    while began.elapsed() < lasts {
        let due = (rate as f64 * began.elapsed().as_secs_f64()) as u64;
        // What a busy machine missed is not made up for: the rate is a rate.
        let until = due.min(number + rate / 5);
        let now = Timestamp::from_nanos(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as i64);
        while number < until {
            number += 1;
            let value = record(number, began.elapsed(), now);
            let partition = Some((number % PARTITIONS as u64) as i32);
            producer
                .send(&OutgoingRecord {
                    topic: TOPIC,
                    partition,
                    key: None,
                    value: Some(value.as_bytes()),
                    headers: &[],
                    timestamp: Some(now),
                })
                .unwrap();
        }
        each_slice(began.elapsed());
        std::thread::park_timeout(SLICE);
    }
    producer.flush(DELIVERY_PATIENCE).unwrap();
    number
}

fn resident_mb(run: &Run) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", run.id().as_raw_nonzero())).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmRSS")).expect("its resident memory");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).expect("a number") / 1_024.0
}

/// Slope of a straight line through (minutes, MB) and half the width of its 95 % interval, as if samples were independent.
fn slope(samples: &[(f64, f64)]) -> (f64, f64) {
    let n = samples.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| samples.iter().map(of).sum::<f64>() / n;
    let (x_mean, y_mean) = (mean(|sample| sample.0), mean(|sample| sample.1));
    let spread: f64 = samples.iter().map(|(x, _)| (x - x_mean).powi(2)).sum();
    let slope = samples.iter().map(|(x, y)| (x - x_mean) * (y - y_mean)).sum::<f64>() / spread;
    let residual: f64 = samples.iter().map(|(x, y)| (y - y_mean - slope * (x - x_mean)).powi(2)).sum();
    (slope, 1.96 * (residual / (n - 2.0) / spread).sqrt())
}

#[test]
#[ignore = "half an hour: make soak"]
fn half_an_hour_of_load_with_garbage_and_new_services_needs_no_more_memory_at_its_end() {
    let lasts = Duration::from_secs(number_of("WHYDUNIT_SOAK_S", 1_800));
    let rate = number_of("WHYDUNIT_SOAK_RATE", 20_000);
    // Five minutes of half an hour.
    let warm = lasts / 6;
    let server = KafkaServer::start();
    server.create_topic(TOPIC, PARTITIONS, &[("segment.bytes", "67108864"), ("retention.bytes", "536870912")]);
    let home = Home::new(&settings(&server));
    let run = home.run();
    let producer = patient_producer(&server);
    let (mut samples, mut next) = (Vec::new(), Duration::ZERO);
    let sent = write(&producer, rate, lasts, |elapsed| {
        if elapsed >= next {
            samples.push((elapsed.as_secs_f64() / 60.0, resident_mb(&run)));
            next += SAMPLE_EVERY;
        }
    });
    for (minute, mb) in samples.iter().step_by(12) {
        println!("{minute:>5.1} min: {mb:.1} MB");
    }
    let warm_samples: Vec<(f64, f64)> = samples.into_iter().filter(|(minute, _)| minute * 60.0 >= warm.as_secs_f64()).collect();
    let (growth, half) = slope(&warm_samples);
    let records = |run: &Run| run.api("/api/v1/connectors/logs")["records_total"].as_u64();
    println!("{sent} records sent, {:.0} a second; read when the last was sent: {:?}", sent as f64 / lasts.as_secs_f64(), records(&run));
    println!(
        "growth after {:.1} min: {growth:.3} MB/min, 95 % interval {:.3} to {:.3}",
        warm.as_secs_f64() / 60.0,
        growth - half,
        growth + half
    );
    run.wait_until("everything is read", PATIENCE, |run| records(run) == Some(sent));
    println!("late items: {:?}, evicted: {:?}", run.metric("whydunit_items_late_total"), run.metric("whydunit_evicted_total"));
    run.terminate_within(PATIENCE);
    let verified = home.command("verify").arg("--connect").output().expect("the binary runs");
    let told = String::from_utf8_lossy(&verified.stdout);
    assert!(verified.status.success(), "the books do not close: {told}{}", String::from_utf8_lossy(&verified.stderr));
    println!("verify: {}", told.lines().last().unwrap_or_default());
    assert!(growth < MOST_MB_A_MINUTE, "memory grows by {growth:.3} MB a minute");
}

#[test]
fn a_slope_is_found_with_its_interval() {
    let samples: Vec<(f64, f64)> =
        (0..100).map(|n| (f64::from(n), 3.0 + 0.5 * f64::from(n) + if n % 2 == 0 { 0.1 } else { -0.1 })).collect();
    let (slope, half) = slope(&samples);
    assert!((slope - 0.5).abs() < half && half < 0.001, "{slope} ± {half}");
}
