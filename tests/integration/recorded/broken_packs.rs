//! Packs that are cut, hostile, or wrong in some rows.

use std::fs;
use std::path::Path;

use whydunit::evaluation::pool::QuietPool;
use whydunit::evaluation::{EpisodeOptions, Pack, build, plans};

use super::small_pack::{log_header, pack_up, small_pack};

#[test]
fn bad_packs_say_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let say = |path: &Path| Pack::open(path).unwrap_err().to_string();
    assert!(say(&folder.path().join("nowhere")).contains("no such folder or archive"));
    let text = folder.path().join("notes.txt");
    fs::write(&text, "hello").unwrap();
    assert!(say(&text).contains("neither a folder nor a .tar.zst"));
    let noise = folder.path().join("noise.tar.zst");
    fs::write(&noise, "this is no archive").unwrap();
    assert!(say(&noise).contains("the archive cannot be read"), "{}", say(&noise));
    assert!(say(folder.path()).contains("not a layout this version knows"));

    let root = small_pack(folder.path());
    let whole = folder.path().join("whole.tar.zst");
    pack_up(&whole, |archive| archive.append_dir_all("small", &root).unwrap());
    let bytes = fs::read(&whole).unwrap();
    let cut = folder.path().join("cut.tar.zst");
    for keep in [bytes.len() / 4, bytes.len() / 2, bytes.len() - 1] {
        fs::write(&cut, &bytes[..keep]).unwrap();
        assert!(say(&cut).contains("the archive cannot be read"), "{keep} bytes: {}", say(&cut));
    }

    fs::remove_file(root.join("cases/one/log.csv")).unwrap();
    assert!(say(&root).contains("missing cases/one/log.csv"), "{}", say(&root));
    fs::write(root.join("cases/one/log.csv"), "Timestamp,PodName\n").unwrap();
    assert!(say(&root).contains("no column TimeUnixNano"), "{}", say(&root));
    fs::write(root.join("cases/one/log.csv"), log_header()).unwrap();
    fs::write(root.join("labels.json"), "{}").unwrap();
    assert!(say(&root).contains("labels.json"), "{}", say(&root));
    fs::remove_file(root.join("labels.json")).unwrap();
    assert!(say(&root).contains("labels.json"), "{}", say(&root));
}

#[test]
fn an_archive_cannot_reach_outside_itself() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("evil.tar.zst");
    pack_up(&path, |archive| {
        let mut header = tar::Header::new_gnu();
        header.as_gnu_mut().unwrap().name[..16].copy_from_slice(b"../../etc/passwd");
        header.set_size(2);
        header.set_cksum();
        archive.append(&header, &b"hi"[..]).unwrap();
    });
    assert!(Pack::open(&path).unwrap_err().to_string().contains("leaves it"));
}

#[test]
fn unreadable_rows_are_counted_and_the_rest_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let root = small_pack(folder.path());
    let path = root.join("cases/one/trace.csv");
    let good = fs::read_to_string(&path).unwrap();
    let bad = "short,row\nzz,00000000000000aa,root,p-1-a,op,1700000000000000000,1700000000000000001,1\n\
        01,02,root,p-1-a,op,1700000000000000009,1700000000000000001,1\n01,02,root,p-1-a,op,never,1700000000000000001,1\n";
    fs::write(&path, format!("{good}{bad}")).unwrap();
    let logs = root.join("cases/one/log.csv");
    let good_logs = fs::read_to_string(&logs).unwrap();
    let odd = "2023-11-14T22:13:20.5,-1,n,cart-1-a,c,01,02,\"{\"\"log\"\":\"\"a\"\"}rest\"\n\
        t,1700000000000000000,n,cart-1-a,c,none,,plain text, with a comma\nt,never,n,cart-1-a,c,01,02,x\n";
    fs::write(&logs, format!("{good_logs}{odd}")).unwrap();
    let pack = Pack::open(&root).unwrap();
    assert_eq!(pack.report.spans, 2 * (320 + 60));
    assert_eq!(pack.report.log_lines, 320 + 60 + 2);
    assert_eq!(pack.report.malformed_rows(), 5, "{:?}", pack.report.malformed);
    // Time taken from the text, text cut after its JSON, text kept as text (twice: one of them had no time), ids left out.
    assert_eq!(pack.report.repaired_rows(), 5, "{:?}", pack.report.repaired);
    assert!(pack.report.malformed.values().all(|trouble| trouble.examples[0].contains(".csv:")));
    let texts: Vec<&str> = pack.cases["one"].logs.iter().map(|log| &*log.text).collect();
    assert!(texts.contains(&"a") && texts.contains(&"plain text, with a comma"));
}

/// Seed of the damage, from `WHYDUNIT_SEED` or 1.
fn damage_seed() -> u64 {
    std::env::var("WHYDUNIT_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// Small and the same everywhere.
struct Xorshift(u64);

impl Xorshift {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }

    fn damage(&mut self, original: &[u8]) -> Vec<u8> {
        let mut bytes = original.to_vec();
        for _ in 0..=self.below(30) {
            let at = self.below(bytes.len());
            if bytes.is_empty() {
                break;
            }
            match self.below(4) {
                0 => bytes[at] = self.below(256) as u8,
                1 => bytes[at] = b"0123456789,\"\n"[self.below(13)],
                2 => drop(bytes.drain(at..(at + self.below(200)).min(bytes.len()))),
                _ => bytes.truncate(at.max(1)),
            }
        }
        bytes
    }
}

#[test]
fn a_damaged_pack_gives_an_answer_or_an_error_but_never_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    let root = small_pack(folder.path());
    let files = [
        "labels.json",
        "cases/one/trace.csv",
        "cases/one/log.csv",
        "quiet/day/trace.csv",
        "quiet/day/log.csv",
        "metrics/day/cart-1-a_metric.csv",
    ];
    let originals: Vec<Vec<u8>> = files.iter().map(|file| fs::read(root.join(file)).unwrap()).collect();
    let seed = damage_seed();
    println!("WHYDUNIT_SEED={seed}");
    let mut random = Xorshift(seed.max(1));
    let (mut opened, mut replayed, mut refused) = (0, 0, 0);
    for _ in 0..60 {
        let hurt = random.below(files.len());
        let bytes = random.damage(&originals[hurt]);
        fs::write(root.join(files[hurt]), &bytes).unwrap();
        match Pack::open(&root) {
            Ok(pack) => {
                opened += 1;
                let options = EpisodeOptions::default();
                let built = plans(&pack, &options).and_then(|plans| {
                    let pool = QuietPool::of(&pack);
                    plans.iter().map(|plan| build(&pack, &pool, plan, &options)).collect::<Result<Vec<_>, _>>()
                });
                replayed += u32::from(built.is_ok());
                assert!(built.err().is_none_or(|error| !error.to_string().is_empty()));
            }
            Err(error) => {
                refused += 1;
                assert!(!error.to_string().is_empty());
            }
        }
        fs::write(root.join(files[hurt]), &originals[hurt]).unwrap();
    }
    println!("{opened} opened, {replayed} of them replayed, {refused} refused");
    assert!(opened > 0 && replayed > 0 && refused > 0, "the damage is neither too small nor too large");
}
