//! Compressed bodies, and bodies behind a schema's id.

use std::io::Write;

use super::*;

const LINE: &[u8] = br#"{"message":"no seats left","level":"error","service":"seat"}"#;

type Pack = fn(&[u8]) -> Vec<u8>;

const PACKINGS: [(&str, Pack); 4] = [("gzip", gzip), ("zstd", zstd), ("lz4", lz4), ("snappy", snappy)];

fn gzip(value: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(value).unwrap();
    encoder.finish().unwrap()
}

fn zlib(value: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(value).unwrap();
    encoder.finish().unwrap()
}

fn zstd(value: &[u8]) -> Vec<u8> {
    zstd::encode_all(value, 3).unwrap()
}

fn lz4(value: &[u8]) -> Vec<u8> {
    let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
    encoder.write_all(value).unwrap();
    encoder.finish().unwrap()
}

fn snappy(value: &[u8]) -> Vec<u8> {
    let mut encoder = snap::write::FrameEncoder::new(Vec::new());
    encoder.write_all(value).unwrap();
    encoder.into_inner().unwrap()
}

fn decode_with(max_record_bytes: u32, value: &[u8]) -> ObservationBatch {
    let options = DecodeOptions { max_record_bytes, ..DecodeOptions::default() };
    decode_value(options, Source::Logs, Some(value), &[], KAFKA_TIME)
}

#[test]
fn a_compressed_line_is_the_line_and_keeps_its_bytes() {
    let plain = decode_values(Source::Logs, "auto", &[LINE]);
    for (name, pack) in PACKINGS {
        let packed = pack(LINE);
        for format in ["auto", "json_logs"] {
            let batch = decode_values(Source::Logs, format, &[&packed]);
            assert_eq!((&batch.logs, &batch.formats), (&plain.logs, &plain.formats), "{name}");
            assert_eq!(batch.records.value(&batch.records.records[0]), Some(packed.as_slice()), "{name}");
        }
    }
    let gelf = br#"{"version":"1.1","host":"h","short_message":"failed","level":3}"#;
    for pack in [gzip as Pack, zlib] {
        for format in ["auto", "gelf"] {
            let batch = decode_values(Source::Logs, format, &[&pack(gelf)]);
            assert_eq!((only_line(&batch).1, message(only_line(&batch).0)), ("gelf", "failed"));
        }
    }
}

#[test]
fn every_source_and_every_format_may_be_compressed() {
    let span = br#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174","name":"x","startTimeUnixNano":"1795442530000000000","endTimeUnixNano":"1795442531000000000"}]}]}]}"#;
    let push = br#"{"title":"paged"}"#;
    for (name, pack) in PACKINGS {
        for (source, value, format) in [
            (Source::Traces, span.as_slice(), "otlp_json"),
            (Source::Manual, push.as_slice(), "manual"),
            (Source::Logs, b"<11>x".as_slice(), "syslog"),
            (Source::Logs, b"hello".as_slice(), "text"),
        ] {
            let batch = decode_values(source, "auto", &[&pack(value)]);
            assert_eq!((batch.items(), batch.record_formats[0]), (1, format), "{name} {source:?}: {:?}", batch.rejections);
        }
    }
}

#[test]
fn frames_in_a_row_are_read_to_the_last() {
    for (name, pack) in PACKINGS {
        let packed: Vec<u8> = [LINE, b"\n", LINE].iter().flat_map(|part| pack(part)).collect();
        let batch = decode_values(Source::Logs, "auto", &[&packed]);
        assert_eq!(batch.logs.len(), 2, "{name}: {:?}", batch.rejections);
    }
}

#[test]
fn records_of_one_batch_do_not_mix_in_the_room_they_are_inflated_in() {
    let values: Vec<Vec<u8>> = (0..8_usize)
        .map(|n| {
            let line = format!(r#"{{"message":"failed at place {}","level":"error"}}"#, "x".repeat(1 + (n * 37) % 5));
            if n % 2 == 0 { PACKINGS[n / 2].1(line.as_bytes()) } else { line.into_bytes() }
        })
        .collect();
    let values: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
    let batch = decode_values(Source::Logs, "auto", &values);
    for (n, line) in batch.logs.iter().enumerate() {
        assert_eq!(message(line), format!("failed at place {}", "x".repeat(1 + (n * 37) % 5)));
    }
    assert_eq!(batch.logs.len(), 8);
}

#[test]
fn a_bomb_is_too_large_and_is_not_inflated_past_the_limit() {
    let bomb = vec![b' '; 64 << 20];
    for (name, pack) in PACKINGS {
        let packed = pack(&bomb);
        assert!(packed.len() < 4 << 20, "{name}: {}", packed.len());
        let mut decoder = Decoder::new(DecodeOptions { max_record_bytes: 4 << 20, ..DecodeOptions::default() });
        let mut batch = record_batch(Source::Logs, 1);
        batch.push(0, 0, Some(KAFKA_TIME), None, Some(&packed), &[]);
        let decoded = decoder.decode(Arc::new(batch), KAFKA_TIME);
        assert_books(&decoded);
        let (class, reason) = only_reason(&decoded);
        assert!(class == RejectionClass::TooLarge && reason.contains("max_record_bytes = 4194304"), "{name}: {class:?} {reason}");
        assert!(decoder.room.capacity() <= 16 << 20, "{name}: {}", decoder.room.capacity());
    }
}

#[test]
fn the_limit_is_the_last_size_that_is_read() {
    for (name, pack) in PACKINGS {
        let packed = pack(LINE);
        let room = LINE.len().max(packed.len()) as u32;
        assert_eq!(decode_with(room, &packed).logs.len(), 1, "{name}");
        let line: Vec<u8> = [LINE, &[b' '; 400]].concat();
        let packed = pack(&line);
        assert_eq!(decode_with(line.len() as u32, &packed).logs.len(), 1, "{name}");
        assert_eq!(only_reason(&decode_with(line.len() as u32 - 1, &packed)).0, RejectionClass::TooLarge, "{name}");
    }
}

#[test]
fn a_cut_or_damaged_body_is_refused_and_says_how_it_was_packed() {
    for (name, pack) in PACKINGS {
        let packed = pack(LINE);
        for end in 11..packed.len() {
            let batch = decode_values(Source::Logs, "auto", &[&packed[..end]]);
            assert_eq!(batch.rejections.len(), 1, "{name} cut at {end} of {}", packed.len());
            let (class, reason) = only_reason(&batch);
            let fine = class == RejectionClass::Malformed || class == RejectionClass::Empty;
            assert!(fine && (reason.contains(name) || name == "snappy"), "{name} cut at {end}: {class:?} {reason}");
        }
        let mut damaged = packed.clone();
        *damaged.last_mut().unwrap() ^= 0xff;
        let batch = decode_values(Source::Logs, "auto", &[&damaged]);
        assert!(batch.logs.is_empty() || name == "zstd", "{name}: zstd carries no checksum here");
        for (value, class) in [(pack(b""), RejectionClass::Empty), (pack(&pack(LINE)), RejectionClass::UnknownFormat)] {
            if name == "snappy" && class == RejectionClass::Empty {
                continue;
            }
            let batch = decode_values(Source::Logs, "auto", &[&value]);
            assert_eq!(only_reason(&batch).0, class, "{name}: one layer is taken off");
        }
    }
}

#[test]
fn a_body_of_many_blocks_is_read_whole_and_cut_between_them_refused() {
    let mut lines = String::new();
    for n in 0_u64..4_000 {
        let noise = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        lines.push_str(&format!("{{\"message\":\"order {noise:x} {:x} is late\"}}\n", noise.rotate_left(17).wrapping_mul(noise | 1)));
    }
    for (name, pack) in PACKINGS {
        let packed = pack(lines.as_bytes());
        assert_eq!(decode_values(Source::Logs, "auto", &[&packed]).logs.len(), 4_000, "{name}");
        assert!(packed.len() > 70_000, "{name}: more than one block");
    }
    // Every block of 64 KiB ends somewhere, and so does each frame: all ends of lz4, some of the others.
    let packed = lz4(lines.as_bytes());
    let mut at = 7;
    while at + 4 < packed.len() {
        let size = u32::from_le_bytes(packed[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
        assert_eq!(only_reason(&decode_values(Source::Logs, "auto", &[&packed[..at]])).0, RejectionClass::Malformed, "cut at {at}");
        at += 4 + size as usize;
    }
    assert_eq!(at + 4, packed.len(), "the blocks were found");
    for (name, pack) in [("gzip", gzip as Pack), ("zstd", zstd), ("lz4", lz4)] {
        let packed = pack(lines.as_bytes());
        for end in (20..packed.len()).step_by(9_973).chain(packed.len() - 5..packed.len()) {
            let batch = decode_values(Source::Logs, "auto", &[&packed[..end]]);
            assert!(batch.logs.is_empty() && only_reason(&batch).1.contains(name), "{name} cut at {end}");
        }
    }
}

#[test]
fn text_that_begins_like_zlib_is_text() {
    for value in ["x^2 + y^2", "x\u{6da}"] {
        assert_eq!(only_line(&decode_text(value)).1, "text");
    }
}

#[test]
fn json_behind_a_schema_id_is_read_and_the_rest_waits_with_its_id() {
    let behind = |id: u32, body: &[u8]| [[0].as_slice(), id.to_be_bytes().as_slice(), body].concat();
    for source in [Source::Logs, Source::Manual] {
        let body: &[u8] = if source == Source::Logs { LINE } else { br#"{"title":"x"}"# };
        let batch = decode_values(source, "auto", &[&behind(70_000, body), &gzip(&behind(1, body))]);
        assert_eq!(batch.items(), 2, "{:?}", batch.rejections);
    }
    let many = decode_values(Source::Logs, "json_logs", &[&behind(7, &[b"[".as_slice(), LINE, b",", LINE, b"]"].concat())]);
    assert_eq!(many.logs.len(), 2);
    for source in Source::ALL {
        for body in [b"\x02\x08cart".as_slice(), b"\x00\x0a\x04cart", b"plain"] {
            let batch = decode_values(source, "auto", &[&behind(70_000, body)]);
            let (class, reason) = only_reason(&batch);
            assert!(class == RejectionClass::UnknownFormat && reason.contains("schema id 70000"), "{reason}");
        }
    }
    for value in [behind(0, LINE), behind(7, b""), vec![0; 3], vec![0; 1_000]] {
        let batch = decode_values(Source::Logs, "auto", &[&value]);
        let (class, reason) = only_reason(&batch);
        assert!(class == RejectionClass::UnknownFormat && !reason.contains("schema id"), "{reason}");
    }
}
