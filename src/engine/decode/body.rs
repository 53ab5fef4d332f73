//! What a record's value holds once its packing is off: compression, and Confluent's header.
//!
//! A body that was cut is refused, but for framed snappy that was cut between two chunks: its format has no end mark.
//!
//! One layer of compression is taken off, known by its magic bytes, none of which any format begins with. What is inside may be as large
//! as a record may be and is not inflated past that. Then comes Confluent's wire format: a zero byte, a schema's id in four bytes, and the
//! body. No format begins with a zero byte either.

use std::io::Read;

use super::sink::Refusal;
use super::text;
use crate::model::Source;
use crate::model::dead_letter::RejectionClass;

/// Room kept from record to record, bytes.
const KEPT_ROOM: usize = 1 << 20;
/// zstd looks back this far at most, as a power of two; a larger window would be memory that the sender decides on.
const MAX_ZSTD_WINDOW_LOG: u32 = 26;
/// Zero byte and schema id.
const CONFLUENT_HEADER: usize = 5;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Packing {
    Gzip,
    Zlib,
    Zstd,
    Lz4,
    Snappy,
}

impl Packing {
    fn of(source: Source, value: &[u8]) -> Option<Self> {
        match value {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Self::Zstd),
            [0x04, 0x22, 0x4d, 0x18, ..] => Some(Self::Lz4),
            [0xff, 0x06, 0x00, 0x00, b's', b'N', b'a', b'P', b'p', b'Y', ..] => Some(Self::Snappy),
            // Two bytes are little to go by, and `x^` is one way of writing them: GELF comes so, and text is never meant.
            [0x78, flags, ..] if source == Source::Logs && (0x7800 + u16::from(*flags)).is_multiple_of(31) && !text::starts(value) => {
                Some(Self::Zlib)
            }
            _ => None,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zlib => "zlib",
            Self::Zstd => "zstd",
            Self::Lz4 => "lz4",
            Self::Snappy => "snappy",
        }
    }

    /// Writes what is inside to `out`, at most `limit` bytes of it.
    fn inflate(self, value: &[u8], limit: u64, out: &mut Vec<u8>) -> std::io::Result<()> {
        match self {
            Self::Gzip => flate2::bufread::MultiGzDecoder::new(value).take(limit).read_to_end(out)?,
            Self::Zlib => flate2::bufread::ZlibDecoder::new(value).take(limit).read_to_end(out)?,
            Self::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(value)?;
                decoder.window_log_max(MAX_ZSTD_WINDOW_LOG)?;
                decoder.take(limit).read_to_end(out)?
            }
            Self::Lz4 => return inflate_lz4(value, limit, out),
            Self::Snappy => snap::read::FrameDecoder::new(value).take(limit).read_to_end(out)?,
        };
        Ok(())
    }
}

/// Frame after frame: the decoder says "end" after each, and also where a frame is cut between two blocks. What stands behind the value
/// is left alone by a frame that has its end, and is no beginning of a block.
fn inflate_lz4(value: &[u8], limit: u64, out: &mut Vec<u8>) -> std::io::Result<()> {
    const BEHIND: [u8; 4] = [0xff; 4];
    let mut decoder = lz4_flex::frame::FrameDecoder::new(value.chain(BEHIND.as_slice()));
    let mut left = value.len();
    while left > 0 && (out.len() as u64) < limit {
        (&mut decoder).take(limit - out.len() as u64).read_to_end(out)?;
        let (rest, behind) = decoder.get_ref().get_ref();
        let is_cut = behind.len() < BEHIND.len() || rest.len() == left;
        if is_cut && (out.len() as u64) < limit {
            return Err(std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "a frame without its end"));
        }
        left = rest.len();
    }
    Ok(())
}

/// The body of a value. `max` bounds it, bytes; `room` is where it is inflated.
pub(super) fn open<'b>(source: Source, value: &'b [u8], max: u32, room: &'b mut Vec<u8>) -> Result<&'b [u8], Refusal> {
    let value = match Packing::of(source, value) {
        Some(packing) => inflated(packing, value, max, room)?,
        None => value,
    };
    without_schema_id(value)
}

fn inflated<'b>(packing: Packing, value: &[u8], max: u32, room: &'b mut Vec<u8>) -> Result<&'b [u8], Refusal> {
    let name = packing.as_str();
    room.clear();
    room.shrink_to(KEPT_ROOM);
    packing.inflate(value, u64::from(max) + 1, room).map_err(|error| {
        Refusal::malformed(format!("{name} that cannot be inflated, after {} bytes of what is inside: {error}", room.len()))
    })?;
    let refuse = |class, reason: String| Err(Refusal::of(class, reason));
    match room.len() {
        0 => refuse(RejectionClass::Empty, format!("empty: {name} with nothing inside")),
        length if length > max as usize => {
            refuse(RejectionClass::TooLarge, format!("{} bytes of {name} hold more than max_record_bytes = {max}", value.len()))
        }
        _ => Ok(room),
    }
}

/// The body after Confluent's header, where it can be read without the schema: JSON. Ids count from 1.
fn without_schema_id(value: &[u8]) -> Result<&[u8], Refusal> {
    let [0, a, b, c, d, body @ ..] = value else { return Ok(value) };
    let id = u32::from_be_bytes([*a, *b, *c, *d]);
    if id == 0 || body.is_empty() {
        return Ok(value);
    }
    match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'{' | b'[') => Ok(body),
        _ => Err(Refusal::unknown(format!(
            "Confluent wire format, schema id {id}: the body after its {CONFLUENT_HEADER} bytes is no JSON; Avro and protobuf cannot be read \
             without the schema"
        ))),
    }
}
