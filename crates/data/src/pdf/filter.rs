//! What streams of PDF are encoded by, one filter after the other, each within a bound.
use std::io::Read;

use flate2::read::{DeflateDecoder, ZlibDecoder};

use super::object::{Dict, Object};
use crate::error::TableError;

/// Most filters of a stream.
const MAX_FILTERS: usize = 4;

/// What a stream holds; at most `most` bytes, and none for an image.
pub(super) fn decode(dict: &Dict, raw: &[u8], most: usize) -> Result<Option<Vec<u8>>, TableError> {
    let names = match dict.get("Filter").or_else(|| dict.get("F")) {
        None | Some(Object::Null) => Vec::new(),
        Some(Object::Name(name)) => vec![name.as_str()],
        Some(Object::List(names)) => names.iter().filter_map(Object::name).collect(),
        Some(_) => return Ok(None),
    };
    if names.len() > MAX_FILTERS {
        return Err(TableError::broken("a stream has too many filters"));
    }
    if has_predictor(dict.get("DecodeParms").or_else(|| dict.get("DP"))) {
        return Ok(None);
    }
    let mut bytes = raw.to_owned();
    for name in names {
        bytes = match name {
            "FlateDecode" | "Fl" => flate(&bytes, most),
            "ASCIIHexDecode" | "AHx" => hex(&bytes),
            "ASCII85Decode" | "A85" => ascii_85(&bytes),
            "RunLengthDecode" | "RL" => run_length(&bytes, most),
            "LZWDecode" | "LZW" => lzw(&bytes, most),
            _ => return Ok(None),
        };
        if bytes.len() > most {
            return Err(TableError::broken(format!("a stream in it is over {most} bytes")));
        }
    }
    Ok(Some(bytes))
}

fn has_predictor(parameters: Option<&Object>) -> bool {
    match parameters {
        Some(Object::Dict(dict)) => {
            dict.get("Predictor").and_then(Object::number).is_some_and(|predictor| predictor > 1.0)
        }
        Some(Object::List(list)) => list.iter().any(|one| has_predictor(Some(one))),
        _ => false,
    }
}

/// As much as can be decompressed: many files end their streams in odd ways.
fn flate(bytes: &[u8], most: usize) -> Vec<u8> {
    let limit = most as u64 + 1;
    let mut found = Vec::new();
    // What breaks off has given what stands before.
    let _ = ZlibDecoder::new(bytes).take(limit).read_to_end(&mut found);
    if found.is_empty() {
        let _ = DeflateDecoder::new(bytes).take(limit).read_to_end(&mut found);
    }
    found
}

fn hex(bytes: &[u8]) -> Vec<u8> {
    let digits = bytes.iter().take_while(|byte| **byte != b'>');
    let digits: Vec<u8> = digits
        .filter_map(|byte| (*byte as char).to_digit(16).and_then(|d| u8::try_from(d).ok()))
        .collect();
    digits
        .chunks(2)
        .map(|two| two.iter().fold(0, |n, d| n << 4 | d) << (4 * (2 - two.len())))
        .collect()
}

fn ascii_85(bytes: &[u8]) -> Vec<u8> {
    let mut found = Vec::with_capacity(bytes.len() / 5 * 4);
    let mut group: Vec<u32> = Vec::new();
    for byte in bytes {
        match byte {
            b'~' => break,
            b'z' if group.is_empty() => found.extend([0; 4]),
            b'!'..=b'u' => {
                group.push(u32::from(byte - b'!'));
                if group.len() == 5 {
                    found.extend(value_85(&group).to_be_bytes());
                    group.clear();
                }
            }
            _ => {}
        }
    }
    if group.len() > 1 {
        let kept = group.len() - 1;
        group.resize(5, 84);
        found.extend(value_85(&group).to_be_bytes().iter().take(kept));
    }
    found
}

fn value_85(group: &[u32]) -> u32 {
    group.iter().fold(0, |value: u32, digit| value.wrapping_mul(85).wrapping_add(*digit))
}

fn run_length(bytes: &[u8], most: usize) -> Vec<u8> {
    let (mut found, mut rest) = (Vec::new(), bytes);
    while let Some((&length, after)) = rest.split_first() {
        if length == 128 || found.len() > most {
            break;
        }
        let length = usize::from(length);
        if length < 128 {
            let (run, after) = after.split_at(after.len().min(length + 1));
            found.extend_from_slice(run);
            rest = after;
        } else {
            let Some((&byte, after)) = after.split_first() else { break };
            found.extend(std::iter::repeat_n(byte, 257 - length));
            rest = after;
        }
    }
    found
}

fn lzw(bytes: &[u8], most: usize) -> Vec<u8> {
    const CLEAR: usize = 256;
    const END: usize = 257;
    let mut found: Vec<u8> = Vec::new();
    // Each entry of the table is a part of what was found.
    let mut table: Vec<(usize, usize)> = Vec::new();
    let mut last: Option<(usize, usize)> = None;
    let (mut bits, mut count, mut width) = (0_u32, 0_u32, 9_u32);
    for byte in bytes {
        bits = bits << 8 | u32::from(*byte);
        count += 8;
        if count < width {
            continue;
        }
        count -= width;
        let code = (bits >> count & ((1 << width) - 1)) as usize;
        bits &= (1 << count) - 1;
        if code == CLEAR {
            table.clear();
            (last, width) = (None, 9);
            continue;
        }
        if code == END || found.len() > most {
            break;
        }
        let start = found.len();
        match (code, last) {
            (0..=255, _) => found.push(u8::try_from(code).unwrap_or_default()),
            (code, last) => {
                let known = table.get(code - 258).copied();
                // The entry that is made right now: the last part and its first byte.
                let own = last.filter(|_| code - 258 == table.len()).map(|(at, len)| (at, len + 1));
                let Some((at, length)) = known.or(own) else { break };
                for place in at..at + length {
                    let Some(byte) = found.get(place).copied() else { break };
                    found.push(byte);
                }
            }
        }
        if let Some((at, length)) = last
            && table.len() < 4096 - 258
        {
            table.push((at, length + 1));
        }
        last = Some((start, found.len() - start));
        width = match table.len() + 258 + 1 {
            0..=511 => 9,
            512..=1023 => 10,
            1024..=2047 => 11,
            _ => 12,
        };
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_give_back_what_was_encoded() {
        assert_eq!(ascii_85(b"87cURD]i,\"Ebo80~>"), b"Hello World!");
        assert_eq!(ascii_85(b"z87cUR~>"), b"\0\0\0\0Hell");
        assert_eq!(hex(b"48 65 6C6c6F 2>"), b"Hello ");
        assert_eq!(run_length(&[2, b'a', b'b', b'c', 254, b'x', 128, 9], 100), b"abcxxx");
        // The example of the specification.
        assert_eq!(
            lzw(&[0x80, 0x0B, 0x60, 0x50, 0x22, 0x0C, 0x0C, 0x85, 0x01], 100),
            [45, 45, 45, 45, 45, 65, 45, 45, 45, 66]
        );
    }
}
