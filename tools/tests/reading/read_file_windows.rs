//! Windows of lines over sources of every kind: exact text, bounded memory, bounded reading.

use std::io::{Cursor, Read, Result, Seek, SeekFrom};
use std::time::Duration;

use mcp_workspace_tools::call::Call;
use mcp_workspace_tools::text::{
    Encoding, Family, LineEndings, MAX_LINE_CHARS, NoVersion, Request, Window, WindowError,
    decode_whole, read_head, read_window,
};
use proptest::prelude::*;

fn cost(line: &str, _number: i64) -> usize {
    line.chars().count() + 12
}

fn request(offset: i64, limit: u64) -> Request {
    Request { offset, limit, whole_bytes: 64 << 20, room: 47_000, cost }
}

fn window_of(
    source: &mut (impl Read + Seek),
    size: u64,
    request: &Request,
) -> std::result::Result<Window, WindowError> {
    let call = Call::new("test", Duration::from_secs(120));
    let head = read_head(source).unwrap();
    let family = Family::of(&head).expect("not binary");
    read_window(source, size, &head, family, request, &call)
}

fn window(bytes: &[u8], request: &Request) -> std::result::Result<Window, WindowError> {
    window_of(&mut Cursor::new(bytes), bytes.len() as u64, request)
}

/// All windows from the beginning, joined by their `next_offset`.
fn joined(bytes: &[u8], limit: u64, room: usize, whole_bytes: u64) -> String {
    let mut text = String::new();
    let mut next = Some(1);
    while let Some(offset) = next {
        let request = Request { room, whole_bytes, ..request(offset, limit) };
        let window = window(bytes, &request).unwrap();
        assert_eq!(window.start_line, offset);
        assert_eq!(window.more, window.next_offset.is_some());
        text.push_str(&window.content);
        next = window.next_offset;
    }
    text
}

fn encoded(text: &str, encoding: Encoding) -> Vec<u8> {
    match encoding {
        Encoding::Utf8 => text.as_bytes().to_vec(),
        Encoding::Utf8Marked => [b"\xEF\xBB\xBF", text.as_bytes()].concat(),
        Encoding::Utf16Le => {
            [0xFEFF].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
        }
        Encoding::Utf16Be => {
            [0xFEFF].into_iter().chain(text.encode_utf16()).flat_map(u16::to_be_bytes).collect()
        }
        Encoding::Latin1 | Encoding::Windows1252 => {
            text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect()
        }
    }
}

const UNICODE: [Encoding; 4] =
    [Encoding::Utf8, Encoding::Utf8Marked, Encoding::Utf16Le, Encoding::Utf16Be];

proptest! {
    #[test]
    fn windows_join_to_the_whole_text(
        text in "([a-zé€😀\u{a0a}\u{d0a} \r\t]{0,12}(\n|\r\n)?){0,40}",
        which in 0..4_usize,
        limit in 1..9_u64,
        room in 1..200_usize,
        whole in any::<bool>(),
    ) {
        let text = text.trim_start_matches('\u{feff}');
        let bytes = encoded(text, UNICODE[which]);
        prop_assert_eq!(&joined(&bytes, limit, room, if whole { 1 << 20 } else { 0 }), text);
        let (whole_text, name) = decode_whole(&bytes).unwrap();
        prop_assert_eq!(whole_text, text);
        prop_assert_eq!(name, UNICODE[which].name());
    }

    #[test]
    fn latin_1_windows_join_to_the_whole_text(
        text in "([a-z\u{e0}-\u{ff}\r]{0,12}\n){0,30}", limit in 1..9_u64,
    ) {
        let text = format!("{text}\u{e9}");
        let bytes = encoded(&text, Encoding::Latin1);
        prop_assert_eq!(joined(&bytes, limit, 300, 1 << 20), text);
    }

    #[test]
    fn any_bytes_give_the_same_text_in_windows_and_whole(
        bytes in proptest::collection::vec(prop_oneof![1..=255_u8, Just(b'\n'), Just(0xFE)], 0..200),
        limit in 1..5_u64,
    ) {
        if let Some((text, _)) = decode_whole(&bytes) {
            prop_assert_eq!(joined(&bytes, limit, 100, 1 << 20), text);
        }
    }

    #[test]
    fn a_tail_is_what_the_last_lines_are(
        text in "([a-zé😀\u{a0a}\r]{0,9}(\n|\r\n)){0,30}[a-z]{0,3}",
        which in 0..4_usize,
        wanted in 1..40_i64,
        limit in 1..40_u64,
    ) {
        let bytes = encoded(&text, UNICODE[which]);
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let first = lines.len().saturating_sub(wanted as usize);
        let last = lines.len().min(first + limit as usize);
        let expected = lines[first..last].concat();
        let whole = window(&bytes, &request(-wanted, limit)).unwrap();
        prop_assert_eq!(&whole.content, &expected);
        prop_assert_eq!(whole.start_line, first as i64 + 1);
        prop_assert_eq!(whole.end_line, last as i64);
        prop_assert_eq!(whole.more, last < lines.len());
        let large = Request { whole_bytes: 0, ..request(-wanted, limit) };
        if !bytes.is_empty() {
            let large = window(&bytes, &large).unwrap();
            prop_assert_eq!(&large.content, &expected);
            prop_assert_eq!(large.version, Err(NoVersion::TooLarge));
            if !expected.is_empty() {
                prop_assert_eq!(large.start_line, first as i64 - lines.len() as i64);
                prop_assert_eq!(large.end_line, last as i64 - lines.len() as i64 - 1);
            }
        }
    }

    #[test]
    fn blocks_of_any_length_give_the_same_window(
        text in "([a-zé€]{0,9}(\n|\r\n)){0,30}", step in 1..7_usize, offset in 1..5_i64,
    ) {
        let bytes = text.as_bytes();
        let mut slow = Slow { source: Cursor::new(bytes), step };
        let slowly = window_of(&mut slow, bytes.len() as u64, &request(offset, 3)).ok();
        prop_assert_eq!(slowly, window(bytes, &request(offset, 3)).ok());
    }

    #[test]
    fn a_file_of_another_size_than_it_said_never_panics(
        text in "([a-z]{0,9}\n){0,30}", size in 0..1_000_u64, offset in -9..9_i64,
        whole_bytes in 0..300_u64,
    ) {
        prop_assume!(offset != 0);
        let request = Request { whole_bytes, ..request(offset, 3) };
        let _ = window_of(&mut Cursor::new(text.as_bytes()), size, &request);
    }
}

#[test]
fn characters_across_blocks_stay_whole() {
    for encoding in UNICODE {
        for shift in 0..4 {
            let line = "é€😀x".repeat(150);
            let text = format!("{}{}", "a".repeat(shift), format!("{line}\r\n").repeat(400));
            let bytes = encoded(&text, encoding);
            assert!(bytes.len() > 600_000);
            assert_eq!(joined(&bytes, 100_000, usize::MAX, 1 << 30), text);
            let tail = window(&bytes, &Request { whole_bytes: 0, ..request(-399, 1) }).unwrap();
            assert_eq!((tail.content, tail.start_line), (format!("{line}\r\n"), -399));
        }
    }
}

#[test]
fn one_invalid_byte_far_away_makes_every_window_latin_1() {
    let mut bytes = "é\n".repeat(300_000).into_bytes();
    bytes.push(0xE9);
    for offset in [1, 5_000, -1] {
        let window = window(&bytes, &request(offset, 1)).unwrap();
        assert_eq!(window.encoding, Encoding::Latin1);
        assert_eq!(window.content, if offset < 0 { "é" } else { "Ã©\n" });
    }
}

#[test]
fn a_lone_carriage_return_ends_no_line() {
    let found = window(b"a\rb\nc\r\n", &request(1, 10)).unwrap();
    assert_eq!((found.end_line, found.endings), (2, LineEndings::Mixed));
    assert_eq!(window(b"a\rb", &request(1, 10)).unwrap().endings, LineEndings::None);
}

#[test]
fn an_offset_past_the_end_says_how_many_lines_there_are() {
    for whole_bytes in [0, 1 << 20] {
        let request = Request { whole_bytes, ..request(4, 1) };
        assert!(matches!(window(b"a\nb\nc\n", &request), Err(WindowError::PastEnd(3))));
        assert!(matches!(window(b"", &request), Err(WindowError::PastEnd(0))));
    }
}

#[test]
fn a_line_over_the_limit_is_cut_and_says_by_how_much() {
    for (encoding, unit) in [(Encoding::Utf8, 3), (Encoding::Utf16Le, 2)] {
        let text = format!("{}\r\nnext\n", "€".repeat(MAX_LINE_CHARS + 5));
        let window = window(&encoded(&text, encoding), &request(1, 1)).unwrap();
        let expected =
            format!("{}… [line cut: {} more bytes]\r\n", "€".repeat(MAX_LINE_CHARS), 5 * unit);
        assert_eq!(window.content, expected);
        assert_eq!(window.next_offset, Some(2));
    }
}

#[test]
fn the_deadline_leaves_a_complete_window_without_a_version() {
    let text = "line\n".repeat(800_000);
    let mut slow = Sleepy(Cursor::new(text.as_bytes()));
    let head = read_head(&mut slow).unwrap();
    let call = Call::new("test", Duration::from_millis(500));
    let family = Family::of(&head).unwrap();
    let size = text.len() as u64;
    let window = read_window(&mut slow, size, &head, family, &request(1, 3), &call).unwrap();
    assert_eq!(window.content, "line\n".repeat(3));
    assert_eq!((window.version, window.next_offset), (Err(NoVersion::Deadline), Some(4)));

    let call = Call::new("test", Duration::ZERO);
    let stopped = read_window(&mut slow, size, &head, family, &request(-3, 3), &call);
    assert!(matches!(stopped, Err(WindowError::Stopped(_))));
}

const FIVE_GB: u64 = 5_000_000_000;

#[test]
fn the_tail_of_a_huge_file_reads_little() {
    let mut huge = Huge::new(FIVE_GB, "one\ntwo\nthree\n");
    let window = window_of(&mut huge, FIVE_GB, &request(-2, 2)).unwrap();
    assert_eq!(window.content, "two\nthree\n");
    assert_eq!((window.start_line, window.end_line, window.more), (-2, -1, false));
    assert!(huge.read < 16 << 20, "{}", huge.read);

    let mut huge = Huge::new(FIVE_GB, "one\ntwo\nthree\n");
    let window = window_of(&mut huge, FIVE_GB, &request(-10, 10)).unwrap();
    assert_eq!(window.content, "two\nthree\n");
    assert!(window.short_tail);
    assert!(huge.read < 16 << 20, "{}", huge.read);

    let mut huge = Huge::new(FIVE_GB, "the end");
    let window = window_of(&mut huge, FIVE_GB, &request(-1, 1)).unwrap();
    assert!(window.content.starts_with("[line cut: over 8388608 bytes before this] …xxx"));
    assert!(window.content.ends_with("xxthe end"));
    assert!(huge.read < 16 << 20, "{}", huge.read);
}

#[test]
fn the_beginning_of_a_huge_file_reads_little() {
    let mut huge = Huge::new(FIVE_GB, "\n");
    huge.head = b"one\ntwo\n".to_vec();
    let window = window_of(&mut huge, FIVE_GB, &request(1, 2)).unwrap();
    assert_eq!((window.content.as_str(), window.next_offset), ("one\ntwo\n", Some(3)));
    assert!(huge.read < 1 << 20, "{}", huge.read);
}

#[test]
fn a_line_of_200_mb_is_cut_in_bounded_memory() {
    let size = 200_000_000;
    let mut huge = Huge::new(size, "\nlast\n");
    let window = window_of(&mut huge, size, &request(1, 2)).unwrap();
    let cut = size - 6 - MAX_LINE_CHARS as u64;
    let expected = format!("{}… [line cut: {cut} more bytes]\nlast\n", "x".repeat(2_000));
    assert_eq!(window.content, expected);
    assert!(window.content.capacity() < 100_000);
}

/// A file of `x` with a text at its beginning and one at its end, which counts what is read.
struct Huge {
    size: u64,
    at: u64,
    read: u64,
    head: Vec<u8>,
    end: Vec<u8>,
}

impl Huge {
    fn new(size: u64, end: &str) -> Huge {
        Huge { size, at: 0, read: 0, head: Vec::new(), end: end.as_bytes().to_vec() }
    }
}

impl Read for Huge {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let left = usize::try_from(self.size - self.at).unwrap_or(usize::MAX);
        let length = buffer.len().min(left);
        buffer[..length].fill(b'x');
        let end_at = self.size - self.end.len() as u64;
        for (texts_at, text) in [(0, &self.head), (end_at, &self.end)] {
            for (index, byte) in text.iter().enumerate() {
                let position = texts_at + index as u64;
                if (self.at..self.at + length as u64).contains(&position) {
                    buffer[(position - self.at) as usize] = *byte;
                }
            }
        }
        self.at += length as u64;
        self.read += length as u64;
        Ok(length)
    }
}

impl Seek for Huge {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        let SeekFrom::Start(at) = to else { panic!("seeks from the start only") };
        self.at = at.min(self.size);
        Ok(at)
    }
}

/// Gives a few bytes at a time.
struct Slow<S> {
    source: S,
    step: usize,
}

impl<S: Read> Read for Slow<S> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let length = buffer.len().min(self.step);
        self.source.read(&mut buffer[..length])
    }
}

impl<S: Seek> Seek for Slow<S> {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        self.source.seek(to)
    }
}

/// Takes 60 milliseconds for each read.
struct Sleepy<S>(S);

impl<S: Read> Read for Sleepy<S> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        std::thread::sleep(Duration::from_millis(60));
        self.0.read(buffer)
    }
}

impl<S: Seek> Seek for Sleepy<S> {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        self.0.seek(to)
    }
}
