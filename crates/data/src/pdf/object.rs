//! Objects of PDF as they stand in a file: read with a bound of their nesting and their number.
use std::collections::HashMap;

/// How deep arrays and dictionaries may nest.
const MAX_DEPTH: usize = 64;
/// Most values of one object.
pub(super) const MAX_VALUES: usize = 60_000;

/// An object.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Object {
    Null,
    Bool(bool),
    Number(f64),
    Text(Vec<u8>),
    Name(String),
    List(Vec<Object>),
    Dict(Dict),
    Ref(u32),
    /// A word that is none of these, such as an operator.
    Word(Vec<u8>),
}

/// A dictionary.
pub(super) type Dict = HashMap<String, Object>;

/// Reads objects one after the other.
pub(super) struct Lexer<'a> {
    bytes: &'a [u8],
    pub at: usize,
    /// Values of the object that was read last.
    pub values: usize,
}

fn is_space(byte: u8) -> bool {
    matches!(byte, 0 | 9 | 10 | 12 | 13 | 32)
}

fn is_delimiter(byte: u8) -> bool {
    matches!(byte, b'(' | b')' | b'<' | b'>' | b'[' | b']' | b'{' | b'}' | b'/' | b'%')
}

impl<'a> Lexer<'a> {
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Lexer<'a> {
        Lexer { bytes, at, values: 0 }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Whether these bytes stand here.
    pub(super) fn is_at(&self, text: &[u8]) -> bool {
        self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(text))
    }

    /// Goes past spaces and comments.
    pub(super) fn skip_space(&mut self) {
        while let Some(byte) = self.peek() {
            if is_space(byte) {
                self.at += 1;
            } else if byte == b'%' {
                let rest = self.bytes.get(self.at..).unwrap_or_default();
                let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
                self.at += end.unwrap_or(rest.len());
            } else {
                return;
            }
        }
    }

    /// The next object; none at the end, and where there are too many values.
    pub(super) fn next(&mut self) -> Option<Object> {
        self.values = 0;
        self.value(0)
    }

    fn value(&mut self, depth: usize) -> Option<Object> {
        self.values += 1;
        if depth > MAX_DEPTH || self.values > MAX_VALUES {
            return None;
        }
        self.skip_space();
        match self.peek()? {
            b'(' => Some(Object::Text(self.literal())),
            b'<' if self.is_at(b"<<") => self.dict(depth),
            b'<' => Some(Object::Text(self.hex())),
            b'/' => {
                self.at += 1;
                Some(Object::Name(self.name()))
            }
            b'[' => {
                self.at += 1;
                let mut list = Vec::new();
                loop {
                    self.skip_space();
                    match self.peek() {
                        None => break,
                        Some(b']') => {
                            self.at += 1;
                            break;
                        }
                        Some(_) => list.push(self.value(depth + 1)?),
                    }
                }
                Some(Object::List(list))
            }
            b')' | b'>' | b']' | b'{' | b'}' => {
                self.at += 1;
                Some(Object::Null)
            }
            b'0'..=b'9' | b'+' | b'-' | b'.' => Some(self.number_or_ref()),
            _ => {
                let word = self.word();
                Some(match word {
                    b"true" => Object::Bool(true),
                    b"false" => Object::Bool(false),
                    b"null" => Object::Null,
                    other => Object::Word(other.to_owned()),
                })
            }
        }
    }

    fn word(&mut self) -> &'a [u8] {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let end = rest.iter().position(|byte| is_space(*byte) || is_delimiter(*byte));
        let word = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
        self.at += word.len();
        word
    }

    fn number(&mut self) -> Option<f64> {
        let text = std::str::from_utf8(self.word()).ok()?;
        text.parse::<f64>().ok().filter(|number| number.is_finite())
    }

    /// A number, or a reference `12 0 R`.
    fn number_or_ref(&mut self) -> Object {
        let number = self.number().unwrap_or(0.0);
        let after = self.at;
        if let Some(id) = whole(number) {
            self.skip_space();
            if self.peek().is_some_and(|byte| byte.is_ascii_digit())
                && self.word().iter().all(u8::is_ascii_digit)
            {
                self.skip_space();
                let end = self.bytes.get(self.at + 1).copied();
                if self.peek() == Some(b'R') && end.is_none_or(|b| is_space(b) || is_delimiter(b)) {
                    self.at += 1;
                    return Object::Ref(id);
                }
            }
        }
        self.at = after;
        Object::Number(number)
    }

    fn name(&mut self) -> String {
        let written = self.word();
        let mut name = Vec::with_capacity(written.len());
        let mut rest = written;
        while let Some((&first, after)) = rest.split_first() {
            rest = after;
            let code = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
            match code.and_then(|two| u8::from_str_radix(two, 16).ok()) {
                Some(byte) if first == b'#' => {
                    name.push(byte);
                    rest = after.get(2..).unwrap_or_default();
                }
                _ => name.push(first),
            }
        }
        String::from_utf8_lossy(&name).into_owned()
    }

    fn hex(&mut self) -> Vec<u8> {
        self.at += 1;
        let (mut text, mut high) = (Vec::new(), None);
        while let Some(byte) = self.peek() {
            self.at += 1;
            if byte == b'>' {
                break;
            }
            let Some(digit) = (byte as char).to_digit(16).and_then(|d| u8::try_from(d).ok()) else {
                continue;
            };
            match high.take() {
                None => high = Some(digit),
                Some(high) => text.push(high << 4 | digit),
            }
        }
        text.extend(high.map(|high| high << 4));
        text
    }

    fn literal(&mut self) -> Vec<u8> {
        self.at += 1;
        let (mut text, mut open) = (Vec::new(), 1_usize);
        while let Some(byte) = self.peek() {
            self.at += 1;
            match byte {
                b'(' => open += 1,
                b')' => {
                    open -= 1;
                    if open == 0 {
                        break;
                    }
                }
                b'\\' => {
                    self.escaped(&mut text);
                    continue;
                }
                _ => {}
            }
            text.push(byte);
        }
        text
    }

    fn escaped(&mut self, text: &mut Vec<u8>) {
        let Some(byte) = self.peek() else { return };
        self.at += 1;
        match byte {
            b'n' => text.push(b'\n'),
            b'r' => text.push(b'\r'),
            b't' => text.push(b'\t'),
            b'b' => text.push(8),
            b'f' => text.push(12),
            b'\r' => {
                if self.peek() == Some(b'\n') {
                    self.at += 1;
                }
            }
            b'\n' => {}
            b'0'..=b'7' => {
                let mut code = u32::from(byte - b'0');
                for _ in 0..2 {
                    match self.peek() {
                        Some(digit @ b'0'..=b'7') => {
                            code = code * 8 + u32::from(digit - b'0');
                            self.at += 1;
                        }
                        _ => break,
                    }
                }
                text.push(u8::try_from(code & 0xFF).unwrap_or_default());
            }
            other => text.push(other),
        }
    }

    fn dict(&mut self, depth: usize) -> Option<Object> {
        self.at += 2;
        let mut dict = Dict::new();
        loop {
            self.skip_space();
            if self.peek().is_none() {
                break;
            }
            if self.is_at(b">>") {
                self.at += 2;
                break;
            }
            match self.value(depth + 1)? {
                Object::Name(key) => {
                    self.skip_space();
                    if self.is_at(b">>") {
                        continue;
                    }
                    let value = self.value(depth + 1)?;
                    dict.insert(key, value);
                }
                // A word where a key should be: the dictionary was not closed.
                Object::Word(_) => break,
                _ => {}
            }
        }
        Some(Object::Dict(dict))
    }
}

impl Object {
    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Object::Number(number) => Some(*number),
            _ => None,
        }
    }

    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Object::Name(name) => Some(name),
            _ => None,
        }
    }

    pub(super) fn whole(&self) -> Option<u32> {
        self.number().and_then(whole)
    }
}

/// The number, where it is a whole one that is not negative.
fn whole(number: f64) -> Option<u32> {
    let fits = (0.0..=f64::from(u32::MAX)).contains(&number) && number.fract() == 0.0;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a whole number within its bounds"
    )]
    fits.then_some(number as u32)
}
