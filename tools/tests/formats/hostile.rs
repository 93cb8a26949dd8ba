//! Files of an attacker: whatever they declare, the answer comes soon, says what is wrong, and
//! takes no more memory than the limits.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::reading::{Setting, fixture};

/// A small generator, so that a failure can be repeated.
pub(crate) struct Dice(pub u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }

    /// These bytes with one to three of them changed.
    pub(crate) fn damaged(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut damaged = bytes.to_vec();
        for _ in 0..1 + self.roll(3) {
            let at = self.roll(damaged.len());
            damaged[at] = match self.roll(3) {
                0 => 0xFF,
                1 => damaged[at] ^ (1 << self.roll(8)),
                _ => self.roll(256) as u8,
            };
        }
        damaged
    }
}

/// Changed files are rows, a description or an error; a fault of a decoder is told as one of the
/// file.
#[test]
fn damaged_files_are_answered() {
    for name in [
        "scalars.parquet",
        "nested.parquet",
        "nested-v1.parquet",
        "encodings.parquet",
        "snappy.avro",
        "deflate.avro",
    ] {
        let (bytes, _) = fixture(name);
        let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
        for round in 0..150 {
            let setting = Setting::with(&dice.damaged(&bytes));
            for arguments in [json!({}), json!({"offset": -3, "format": "json"})] {
                let began = Instant::now();
                if let Ok(answer) = setting.try_read(arguments) {
                    let length = answer.json().to_string().chars().count();
                    assert!(length <= 48_000, "{name} round {round}: {length}");
                }
                assert!(began.elapsed() < Duration::from_secs(10), "{name} round {round}");
            }
        }
    }
}

/// A fuzzer made it: repetition levels that end before the values do, over which skipping rows
/// went on for ever.
#[test]
fn levels_that_end_too_soon_are_noticed() {
    let (bytes, _) = fixture("endless.parquet");
    for offset in [1, 2, -1, -3, -10] {
        said(&bytes, json!({ "offset": offset }));
    }
}

fn long(value: i64) -> Vec<u8> {
    let mut left = ((value << 1) ^ (value >> 63)) as u64;
    let mut bytes = Vec::new();
    loop {
        let byte = (left & 0x7F) as u8;
        left >>= 7;
        if left == 0 {
            bytes.push(byte);
            return bytes;
        }
        bytes.push(byte | 0x80);
    }
}

/// An Avro file with one block of so many rows.
fn avro(schema: &str, codec: &str, rows: i64, block: &[u8]) -> Vec<u8> {
    let text = |text: &[u8]| [long(text.len() as i64), text.to_vec()].concat();
    let sync = [7; 16];
    [
        b"Obj\x01".to_vec(),
        long(2),
        text(b"avro.schema"),
        text(schema.as_bytes()),
        text(b"avro.codec"),
        text(codec.as_bytes()),
        long(0),
        sync.to_vec(),
        long(rows),
        long(block.len() as i64),
        block.to_vec(),
        sync.to_vec(),
    ]
    .concat()
}

/// The notes, or the error, of reading a file within some seconds.
fn said(bytes: &[u8], arguments: serde_json::Value) -> String {
    let began = Instant::now();
    let said = match Setting::with(bytes).try_read(arguments) {
        Ok(answer) => answer.json()["notes"].to_string(),
        Err(error) => error.to_text(),
    };
    assert!(began.elapsed() < Duration::from_secs(20), "{said}");
    said
}

#[test]
fn a_type_that_holds_itself_nests_only_so_deep() {
    let schema = r#"{"type":"record","name":"A","fields":[{"name":"a","type":["null","A"]}]}"#;
    let deep = avro(schema, "null", 1, &[2].repeat(5_000_000));
    assert!(said(&deep, json!({})).contains("a value nests deeper than 32 levels"));
}

#[test]
fn items_that_take_no_bytes_are_counted_until_the_deadline() {
    let schema = r#"{"type":"array","items":"null"}"#;
    let bytes = avro(schema, "null", 1, &[long(1 << 24), long(0)].concat());
    let answer = Setting::with(&bytes).json(json!({}));
    assert_eq!(answer["rows"][0][100], "… 16777116 more items", "{answer}");
    // More of them than time.
    let bytes = avro(schema, "null", 1, &[long(1 << 60), long(0)].concat());
    let setting = Setting::with(&bytes);
    let call = mcp_workspace_tools::call::Call::new("local", Duration::from_millis(200));
    let error = setting.call("read_file", json!({"path": "data.bin"}), &call).unwrap_err();
    assert_eq!(error.code.as_str(), "deadline");
    // So are rows.
    let bytes = avro("\"null\"", "null", i64::MAX, &[]);
    assert_eq!(Setting::with(&bytes).json(json!({"limit": 2}))["rows"], json!([null, null]));
}

#[test]
fn a_block_that_decompresses_to_more_than_is_allowed_is_refused() {
    use std::io::Write;
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..80 {
        encoder.write_all(&vec![b'x'; 1 << 20]).unwrap();
    }
    let bytes = avro("\"string\"", "deflate", 1, &encoder.finish().unwrap());
    let said = said(&bytes, json!({}));
    assert!(said.contains("a part decompresses to more than 67108864 bytes"), "{said}");
}

#[test]
fn sizes_that_lie_are_refused_before_room_is_made_for_them() {
    let (bytes, _) = fixture("encodings.parquet");
    let footer_length = |bytes: &[u8]| {
        let at = bytes.len() - 8;
        u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
    };
    // A footer longer than the file, and one that is too long at all.
    for (length, why) in [
        (bytes.len() as u32, "its footer is said to be longer than the file"),
        (u32::MAX, "its footer has 4294967295 bytes"),
    ] {
        let mut lying = bytes.clone();
        let at = lying.len() - 8;
        lying[at..at + 4].copy_from_slice(&length.to_le_bytes());
        let said = said(&lying, json!({}));
        assert!(said.contains(why), "{said}");
    }
    // The root of the schema declares its children as the fifth field: five of them, 0x15 0x0A.
    let start = bytes.len() - 8 - footer_length(&bytes);
    let footer = &bytes[start..bytes.len() - 8];
    let at = footer.windows(9).position(|part| part == b"\x18\x06schema\x15").unwrap() + 9;
    assert_eq!(footer[at], 10);
    let mut lying = bytes[..start].to_vec();
    lying.extend_from_slice(&footer[..at]);
    lying.extend_from_slice(&[0xFE, 0xFF, 0xFF, 0xFF, 0x0F]); // 2^31 - 1
    lying.extend_from_slice(&footer[at + 1..]);
    lying.extend_from_slice(&(footer.len() as u32 + 4).to_le_bytes());
    lying.extend_from_slice(b"PAR1");
    let said = said(&lying, json!({}));
    assert!(said.contains("its schema declares more children than it has"), "{said}");
}
