//! ToUnicode maps: which text the codes of a font stand for.
use std::collections::HashMap;

use super::object::{Lexer, Object};

/// Most codes of a map, each as often as it is given: ranges that repeat cost as much as others.
const MAX_CODES: usize = 70_000;

/// A map.
#[derive(Debug, Default)]
pub(super) struct Cmap {
    texts: HashMap<u32, String>,
    /// How many texts were given, those that others replaced included.
    given: usize,
    /// Whether codes have two bytes; not known where no range says so.
    pub two_bytes: Option<bool>,
}

impl Cmap {
    pub(super) fn read(bytes: &[u8]) -> Cmap {
        let mut map = Cmap::default();
        let mut lexer = Lexer::new(bytes, 0);
        let mut operands: Vec<Object> = Vec::new();
        while let Some(object) = lexer.next() {
            let Object::Word(word) = object else {
                if operands.len() < MAX_CODES {
                    operands.push(object);
                }
                continue;
            };
            match word.as_slice() {
                b"endcodespacerange" => {
                    if let Some(Object::Text(low)) = operands.first() {
                        map.two_bytes = Some(low.len() > 1);
                    }
                }
                b"endbfchar" => {
                    for two in operands.chunks_exact(2) {
                        if let [Object::Text(code), Object::Text(text)] = two {
                            map.put(code_of(code), utf_16(text));
                        }
                    }
                }
                b"endbfrange" => {
                    for three in operands.chunks_exact(3) {
                        if let [Object::Text(low), Object::Text(high), to] = three {
                            map.put_range(code_of(low), code_of(high), to);
                        }
                    }
                }
                _ => {}
            }
            operands.clear();
        }
        map
    }

    fn is_full(&self) -> bool {
        self.given >= MAX_CODES
    }

    fn put(&mut self, code: u32, text: String) {
        if !self.is_full() {
            self.given += 1;
            self.texts.insert(code, text);
        }
    }

    fn put_range(&mut self, low: u32, high: u32, to: &Object) {
        match to {
            Object::Text(first) => {
                let text = utf_16(first);
                let mut characters = text.chars();
                let Some(last) = characters.next_back() else { return };
                let start = characters.as_str();
                for code in low..=high.min(low.saturating_add(0xFFFF)) {
                    let next = u32::from(last).checked_add(code - low).and_then(char::from_u32);
                    let Some(next) = next else { break };
                    if self.is_full() {
                        break;
                    }
                    self.put(code, format!("{start}{next}"));
                }
            }
            Object::List(texts) => {
                for (code, text) in (low..=high).zip(texts) {
                    if let Object::Text(text) = text {
                        self.put(code, utf_16(text));
                    }
                }
            }
            _ => {}
        }
    }

    /// How many codes it has.
    pub(super) fn len(&self) -> usize {
        self.texts.len()
    }

    pub(super) fn get(&self, code: u32) -> Option<&str> {
        self.texts.get(&code).map(String::as_str)
    }
}

fn code_of(bytes: &[u8]) -> u32 {
    bytes.iter().take(4).fold(0, |code, byte| code << 8 | u32::from(*byte))
}

/// Text of UTF-16, at most some characters: one code stands for few.
fn utf_16(bytes: &[u8]) -> String {
    let units = bytes.chunks(2).take(16).map(|two| match two {
        [high, low] => u16::from_be_bytes([*high, *low]),
        [only] => u16::from(*only),
        _ => 0,
    });
    char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_stand_for_texts() {
        let map = Cmap::read(
            b"1 begincodespacerange <0000> <FFFF> endcodespacerange 2 beginbfchar <0001> <0041> \
              <0002> <00660069> endbfchar 2 beginbfrange <0010> <0012> <0061> <0020> <0021> \
              [<0078> <D83DDE00>] endbfrange",
        );
        let texts = [1, 2, 0x10, 0x12, 0x20, 0x21].map(|code| map.get(code).unwrap_or(""));
        assert_eq!(texts, ["A", "fi", "a", "c", "x", "\u{1F600}"]);
        assert_eq!((map.two_bytes, map.get(0x13)), (Some(true), None));
        let all = Cmap::read(b"1 beginbfrange <00000000> <FFFFFFFF> <0041> endbfrange");
        assert!(all.texts.len() <= MAX_CODES);
        let again = b"1 beginbfrange <0000> <FFFF> <0041> endbfrange ".repeat(100_000);
        assert_eq!(Cmap::read(&again).given, MAX_CODES);
    }
}
