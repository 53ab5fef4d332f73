//! What fuzzing begins from: good records of every format.

use std::fs;
use std::path::Path;

use super::*;

/// An input may be two records with `\n\x1e\n` between them.
fn records(input: &[u8]) -> Vec<&[u8]> {
    match input.windows(3).position(|bytes| bytes == b"\n\x1e\n") {
        Some(at) => vec![&input[..at], &input[at + 3..]],
        None => vec![input],
    }
}

#[test]
fn fuzzing_begins_from_good_records_of_every_format() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/seeds");
    for format in FORMATS {
        let folder = root.join(format.name);
        let seeds: Vec<_> = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())).collect();
        assert!(!seeds.is_empty(), "{}", folder.display());
        for seed in seeds {
            let path = seed.unwrap().path();
            let input = fs::read(&path).unwrap();
            let values = records(&input);
            let read = |source| {
                let batch = decode_values(source, format.name, &values);
                batch.counts[0].records_decoded == values.len() as u64
            };
            assert!(Source::ALL.into_iter().any(read), "{} is no {}", path.display(), format.name);
        }
    }
}
