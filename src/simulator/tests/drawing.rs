//! Drawn call graphs: the same for ever, of every size, and each fault does something in them.

use std::collections::{BTreeMap, BTreeSet};

use super::fingerprint;
use super::reading::read;
use crate::simulator::{OutRecord, Seeded, catalog, seeded};

fn records(seeded: &mut Seeded) -> Vec<OutRecord> {
    seeded.shop.step(seeded.ends_at)
}

#[test]
fn a_seed_gives_the_same_bytes_and_another_seed_others() {
    let of = |seed| fingerprint(&seeded(seed).unwrap().shop.step(seeded(seed).unwrap().starts_at.plus_seconds(60)));
    assert_eq!(of(3), of(3));
    assert_ne!(of(3), of(5));
}

#[test]
fn two_hundred_seeds_draw_every_size_and_every_kind_and_stay_within_bounds() {
    let mut sizes: Vec<usize> = Vec::new();
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    let (mut quiet, mut two) = (0, 0);
    for seed in 1..=200 {
        let drawn = seeded(seed).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        sizes.push(drawn.shop.services().count());
        assert_eq!(drawn.shop.services().collect::<BTreeSet<_>>().len(), drawn.shop.services().count(), "seed {seed}: a name twice");
        assert!(drawn.ends_at.seconds_since(drawn.starts_at) <= 1_800.0, "seed {seed}");
        match drawn.shop.truths() {
            [] => quiet += 1,
            [one] => *kinds.entry(one.fault.clone()).or_default() += 1,
            more => {
                two += 1;
                assert!(more.len() == 2 && more[0].fault != more[1].fault, "seed {seed}: {more:?}");
            }
        }
        for truth in drawn.shop.truths() {
            assert!(truth.strength.is_some_and(|strength| (1.2..=20.0).contains(&strength)), "seed {seed}: {truth:?}");
            assert!(truth.onset > drawn.starts_at.plus_seconds(700) && truth.onset < drawn.ends_at.plus_seconds(-290), "seed {seed}");
        }
    }
    sizes.sort_unstable();
    println!("services {} … {} … {}, kinds {kinds:?}", sizes[0], sizes[100], sizes[199]);
    assert!(sizes[0] <= 8 && sizes[199] >= 150 && sizes[199] <= 205);
    assert_eq!((quiet, two, kinds.len()), (20, 20, catalog().len()));
    assert!(kinds.values().all(|count| (11..=12).contains(count)), "{kinds:?}");
}

#[test]
fn what_a_seed_writes_is_readable_bounded_and_has_every_service_in_it() {
    for seed in [4, 9] {
        let mut drawn = seeded(seed).unwrap();
        let all = records(&mut drawn);
        println!("seed {seed}: {} services, {} records, {:.1} requests a second", drawn.shop.services().count(), all.len(), drawn.rate);
        assert!(all.len() <= 400_000, "seed {seed}: {} records", all.len());
        assert!(all.windows(2).all(|pair| pair[0].timestamp <= pair[1].timestamp));
        let written = read(&all);
        let mut met: BTreeSet<&str> = written.spans.iter().map(|span| span.service.as_str()).collect();
        met.extend(written.spans.iter().map(|span| span.peer.as_str()));
        let missing: Vec<&str> = drawn.shop.services().filter(|service| !met.contains(service)).collect();
        assert!(missing.len() * 10 <= drawn.shop.services().count(), "seed {seed}: nobody meets {missing:?}");
        let failed = written.spans.iter().filter(|span| span.failed && span.parent.is_empty()).count();
        let roots = written.spans.iter().filter(|span| span.parent.is_empty()).count();
        assert!(failed < roots, "seed {seed}: {failed} of {roots} requests fail");
    }
}

#[test]
fn two_faults_hit_parts_that_never_meet() {
    let mut drawn = seeded(14).unwrap();
    let truths = drawn.shop.truths().to_vec();
    let written = read(&records(&mut drawn));
    // Whoever is met in one trace stands on one side.
    let mut traces: BTreeMap<&[u8], BTreeSet<&str>> = BTreeMap::new();
    for span in &written.spans {
        let trace = traces.entry(&span.trace).or_default();
        trace.extend([span.service.as_str(), span.peer.as_str()]);
    }
    let hit: Vec<&str> = truths.iter().map(|truth| truth.service.as_deref().unwrap()).collect();
    assert!(traces.values().any(|trace| trace.contains(hit[0])) && traces.values().any(|trace| trace.contains(hit[1])), "{truths:?}");
    assert!(traces.values().all(|trace| !(trace.contains(hit[0]) && trace.contains(hit[1]))), "{truths:?}");
}

#[test]
fn before_its_onset_an_episode_is_healthy() {
    for seed in [3, 8] {
        let mut drawn = seeded(seed).unwrap();
        let onset = drawn.shop.truths()[0].onset;
        let written = read(&drawn.shop.step(onset.plus_seconds(-15)));
        let roots: Vec<_> = written.spans.iter().filter(|span| span.parent.is_empty() && span.kind == 2).collect();
        let failed = roots.iter().filter(|span| span.failed).count();
        assert!(roots.len() > 500 && failed * 40 < roots.len(), "seed {seed}: {failed} of {} requests fail", roots.len());
    }
}
