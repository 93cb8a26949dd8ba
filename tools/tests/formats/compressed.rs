//! Compressed text is shown like the text itself.

use std::io::Write;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use mcp_workspace_tools::call::Call;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use serde_json::{Value, json};

use crate::reading::{NAME, Setting, notes, version};

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn zstd(text: &[u8]) -> Vec<u8> {
    compress_to_vec(text, CompressionLevel::Fastest)
}

/// Each way of compressing `text`, with its name; the second half follows in a part of its own.
fn packed(text: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let (start, end) = text.split_at(text.len() / 2);
    let skippable = [&[0x5A, 0x2A, 0x4D, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
    vec![
        ("gzip", gzip(text)),
        ("gzip", [gzip(start), gzip(b""), gzip(end)].concat()),
        ("zstd", zstd(text)),
        ("zstd", [skippable.clone(), zstd(start), skippable, zstd(end)].concat()),
    ]
}

fn lines(count: usize) -> String {
    (1..=count).map(|line| format!("{line}: naïve line {}\n", line * 7919 % 1_000_003)).collect()
}

#[test]
fn windows_are_those_of_the_text() {
    for text in [lines(2_000), "one\r\ntwo\r\n".to_owned(), "no end".to_owned(), String::new()] {
        let plain = Setting::with(text.as_bytes());
        for (name, bytes) in packed(text.as_bytes()) {
            let setting = Setting::with(&bytes);
            for arguments in [
                json!({}),
                json!({"offset": 1, "limit": 3}),
                json!({"offset": 2, "limit": 1_000}),
                json!({"offset": -1}),
                json!({"offset": -20, "limit": 7}),
                json!({"offset": 1_990}),
                json!({"offset": -100_000, "limit": 2}),
            ] {
                let (is, should) =
                    (setting.try_read(arguments.clone()), plain.try_read(arguments.clone()));
                let (is, should) = match (is, should) {
                    (Ok(is), Ok(should)) => (is.into_json(), should.into_json()),
                    (Err(is), Err(should)) => {
                        assert_eq!(is.message, should.message);
                        continue;
                    }
                    (is, should) => panic!("{arguments}: {is:?}, but {should:?}"),
                };
                for field in
                    ["content", "start_line", "end_line", "more", "next_offset", "total_lines"]
                {
                    assert_eq!(is[field], should[field], "{name} {arguments} {field}");
                }
                let encoding = format!("{name}+{}", should["encoding"].as_str().unwrap());
                assert_eq!(is["encoding"], encoding);
                assert_eq!(is["size"], bytes.len());
                assert_eq!(is["version"], version(&bytes));
            }
        }
    }
}

#[test]
fn utf_16_and_latin_1_are_read_too() {
    let text: Vec<u8> = "\u{feff}größe\nzwei\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let answer = Setting::with(&gzip(&text)).json(json!({}));
    assert_eq!(
        (&answer["encoding"], &answer["content"]),
        (&json!("gzip+utf-16le"), &json!("größe\nzwei\n"))
    );
    let answer = Setting::with(&zstd(b"caf\xe9\n")).json(json!({}));
    assert_eq!(answer["encoding"], "zstd+iso-8859-1");
}

#[test]
fn the_last_line_of_the_text_says_how_it_is_stored() {
    let bytes = gzip(lines(3).as_bytes());
    let text = Setting::with(&bytes).text(json!({"limit": 1}));
    let (first, last) = text.split_once('\n').unwrap();
    assert_eq!(first, "1\t1: naïve line 7919");
    assert!(
        last.starts_with(&format!("[line 1 of 3 · gzip+utf-8 · {} bytes · version ", bytes.len())),
        "{last}"
    );
    assert!(last.ends_with(" · more: offset 2]"), "{last}");
}

#[test]
fn the_end_of_a_long_text_is_numbered_like_its_beginning() {
    // Longer than what is kept of the end, in UTF-8 and UTF-16.
    let text = lines(400_000);
    let wide: Vec<u8> =
        format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_be_bytes).collect();
    for bytes in [gzip(text.as_bytes()), gzip(&wide)] {
        let answer = Setting::with(&bytes).json(json!({"offset": -2}));
        assert_eq!(answer["start_line"], 399_999);
        assert_eq!(answer["total_lines"], 400_000);
        let content = answer["content"].as_str().unwrap();
        assert!(content.starts_with("399999: naïve line "), "{content}");
        assert_eq!(content.lines().count(), 2);
        let far = Setting::with(&bytes).json(json!({"offset": -399_000, "limit": 1}));
        assert!(notes(&far).contains("earlier lines lie more than"), "{far}");
        let content = far["content"].as_str().unwrap();
        assert!(content.starts_with(&format!("{}: naïve", far["start_line"])), "{far}");
    }
}

#[test]
fn what_could_be_read_of_a_broken_stream_is_shown() {
    let text = lines(20_000);
    for (name, bytes) in [("gzip", gzip(text.as_bytes())), ("zstd", zstd(text.as_bytes()))] {
        let cut = &bytes[..bytes.len() / 2];
        let answer = Setting::with(cut).json(json!({"limit": 5}));
        if name == "zstd" {
            // All of this text is within the window that its decoder keeps back.
            assert_eq!(answer["encoding"], "binary");
            assert!(notes(&answer).contains("the zstd stream breaks off after"), "{answer}");
            continue;
        }
        assert_eq!(
            answer["content"],
            text.lines().take(5).map(|l| format!("{l}\n")).collect::<String>()
        );
        assert!(
            notes(&answer).contains(&format!("the {name} stream breaks off after")),
            "{answer}"
        );
        assert_eq!(
            (&answer["total_lines"], &answer["version"]),
            (&Value::Null, &json!(version(cut)))
        );
        let error = Setting::with(cut).try_read(json!({"offset": 19_999})).unwrap_err();
        assert!(error.message.contains("stream breaks off after"), "{error}");
    }
    // A bit that is wrong is noticed by the checksum at the latest.
    for mut wrong in [gzip(text.as_bytes()), zstd(text.as_bytes())] {
        let last = wrong.len() - 3;
        wrong[last] ^= 0x10;
        let answer = Setting::with(&wrong).json(json!({"limit": 5}));
        assert!(notes(&answer).contains("stream breaks off after"), "{answer}");
    }
    let answer = Setting::with(&[0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3, 7, 7]).json(json!({}));
    assert_eq!(answer["encoding"], "binary");
    assert!(notes(&answer).contains("the gzip stream breaks off after 0 bytes"), "{answer}");
}

#[test]
fn compressed_binaries_are_described() {
    let answer = Setting::with(&gzip(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")).json(json!({"limit": 1}));
    assert_eq!(
        (&answer["encoding"], &answer["media_type"]),
        (&json!("binary"), &json!("application/gzip"))
    );
    assert!(notes(&answer).contains("what is in it is no text (image/png)"), "{answer}");
}

#[test]
fn grep_searches_the_text_of_compressed_files_and_says_where_they_break_off() {
    let text = lines(40_000);
    let call = || Call::new("local", Duration::from_secs(60));
    let plain = Setting::with(text.as_bytes());
    for arguments in [
        json!({"pattern": "^39[0-9]*: ", "limit": 5, "context": 1, "format": "json"}),
        json!({"pattern": "naïve line 7\n8: ", "literal": true, "multiline": true, "format": "json"}),
        json!({"pattern": "99", "mode": "count", "format": "json"}),
    ] {
        let should = plain.call("grep", arguments.clone(), &call()).unwrap().into_json();
        for (name, bytes) in packed(text.as_bytes()) {
            let setting = Setting::with(&bytes);
            let is = setting.call("grep", arguments.clone(), &call()).unwrap().into_json();
            for field in ["matches", "files", "stopped", "files_searched"] {
                assert_eq!(is[field], should[field], "{name} {arguments}");
            }
        }
    }
    let whole = gzip(text.as_bytes());
    let cut = Setting::with(&whole[..whole.len() / 2]);
    let answer = cut.call("grep", json!({"pattern": "^5: ", "format": "json"}), &call()).unwrap();
    assert_eq!(answer.json()["matches"][0]["line"], 5, "{}", answer.json());
    assert_eq!(answer.json()["files_skipped"]["cut_off"], 1, "{}", answer.json());
    let binary = Setting::with(&gzip(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"));
    let answer = binary.call("grep", json!({"pattern": "PNG", "format": "json"}), &call()).unwrap();
    assert_eq!(answer.json()["files_skipped"]["binary"], 1, "{}", answer.json());
}

#[test]
fn what_other_programs_have_compressed_is_read_and_searched() {
    for (name, packing) in
        [("text.txt.bz2", "bzip2"), ("text.txt.xz", "xz"), ("text.txt.br", "brotli")]
    {
        let (bytes, _) = crate::reading::fixture(name);
        let text: String =
            (1..=500).map(|n| format!("{n}: naïve line {}\n", n * 7919 % 1_000_003)).collect();
        let setting = Setting::named(name, &bytes);
        let answer = setting.json(json!({}));
        assert_eq!(answer["content"], text, "{name}");
        assert_eq!(answer["encoding"], format!("{packing}+utf-8"));
        assert_eq!((&answer["total_lines"], &answer["notes"]), (&json!(500), &Value::Null));
        let call = Call::new("local", Duration::from_secs(60));
        let found = setting.call("grep", json!({"pattern": "^500: ", "format": "json"}), &call);
        assert_eq!(found.unwrap().json()["matches"][0]["line"], 500, "{name}");
        // Brotli has no checksum, but it knows its end.
        let cut = Setting::named(name, &bytes[..bytes.len() - 40]).json(json!({"limit": 3}));
        assert!(notes(&cut).contains(&format!("the {packing} stream breaks off")), "{cut}");
    }
}

#[test]
fn a_bomb_is_read_so_far_and_no_farther() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let block = "0123456\n".repeat(128 * 1024);
    for _ in 0..64 {
        encoder.write_all(block.as_bytes()).unwrap();
    }
    let bomb = encoder.finish().unwrap();
    // 64 MiB of text in some kilobytes; 16 MiB are within reach.
    let setting = Setting::limited(&bomb, 1 << 20);
    let answer = setting.json(json!({"limit": 2}));
    assert_eq!(answer["content"], "0123456\n0123456\n");
    assert_eq!((&answer["more"], &answer["total_lines"]), (&json!(true), &Value::Null));
    let lines = (16 << 20) / 8;
    assert_eq!(setting.json(json!({"offset": lines, "limit": 1}))["content"], "0123456\n");
    for offset in [lines + 1, -1] {
        let error = setting.try_read(json!({"offset": offset})).unwrap_err();
        assert_eq!(error.code.as_str(), "too_large");
        assert!(error.message.contains("only the first 16777216 bytes of text are within reach"));
        assert!(error.hint.unwrap().contains(&format!("from 1 to {lines}")));
    }
}

#[test]
fn the_deadline_ends_the_decompression_and_says_how_far_it_came() {
    // Nothing but empty members: much work, no text.
    let bomb = gzip(b"").repeat(1_000_000);
    let setting = Setting::with(&bomb);
    let began = Instant::now();
    let call = Call::new("local", Duration::from_millis(50));
    let error = setting.call("read_file", json!({ "path": NAME }), &call).unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(error.message, "time ran out 0 bytes and 0 lines into the text of `data.bin`");
}
