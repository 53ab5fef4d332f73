//! What fuzzing begins from: good records of every format.

use std::fs;
use std::path::Path;

use super::*;

#[test]
fn fuzzing_begins_from_good_records_of_every_format() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/seeds");
    for format in FORMATS {
        let folder = root.join(format.name);
        let seeds: Vec<_> = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())).collect();
        assert!(!seeds.is_empty(), "{}", folder.display());
        for seed in seeds {
            let path = seed.unwrap().path();
            let value = fs::read(&path).unwrap();
            let read = |source| {
                let options = DecodeOptions { format: format.name.to_owned(), ..DecodeOptions::default() };
                let batch = decode_value(options, source, Some(&value), &[], KAFKA_TIME);
                assert_books(&batch);
                batch.counts[0].records_decoded > 0
            };
            assert!(Source::ALL.into_iter().any(read), "{} is no {}", path.display(), format.name);
        }
    }
}
