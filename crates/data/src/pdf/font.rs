//! Fonts: which text a string stands for, and how wide it is.
use std::collections::HashMap;

use super::cmap::Cmap;
use super::file::{File, MAX_STREAM_BYTES};
use super::glyph::{MAC_ROMAN, WIN_ANSI, named};
use super::object::{Dict, Object};
use crate::error::TableError;
use crate::room::Held;

/// Most widths that are kept.
const MAX_WIDTHS: usize = 70_000;
/// About what an entry of a map, a width, and the texts of the codes of one byte take.
const MAP_BYTES: usize = 100;
const WIDTH_BYTES: usize = 32;
const SIMPLE_BYTES: usize = 16 * 1024;

/// A font.
#[derive(Debug, Default)]
pub(super) struct Font {
    map: Cmap,
    /// For each code of one byte its text; empty where codes have two.
    simple: Vec<String>,
    two_bytes: bool,
    widths: HashMap<u32, f64>,
    default_width: Option<f64>,
    held: Option<Held>,
}

/// A string as it is shown.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Shown {
    pub text: String,
    /// The width in parts of the size of the font.
    pub width: f64,
    /// Codes, and spaces of one byte among them.
    pub codes: usize,
    pub spaces: usize,
}

impl Font {
    /// Reads a font, and takes room for what is kept of it.
    pub(super) fn read(file: &File, font: &Dict) -> Result<Font, TableError> {
        let mut read = Font::of(file, font)?;
        let entries = read.map.len() * MAP_BYTES + read.widths.len() * WIDTH_BYTES;
        read.held = Some(file.room().hold((entries + SIMPLE_BYTES) as u64)?);
        Ok(read)
    }

    fn of(file: &File, font: &Dict) -> Result<Font, TableError> {
        let mut read = Font::default();
        if let Some(Object::Ref(number)) = font.get("ToUnicode")
            && let Some((_, bytes)) = file.stream(*number, MAX_STREAM_BYTES)?
        {
            read.map = Cmap::read(&bytes);
        }
        if file.of(font, "Subtype").name() == Some("Type0") {
            read.two_bytes = read.map.two_bytes.unwrap_or(true);
            let descendants = file.of(font, "DescendantFonts");
            if let Object::List(fonts) = descendants
                && let Some(Object::Dict(inner)) = fonts.first().map(|font| file.follow(font))
            {
                read.default_width = file.of(&inner, "DW").number().or(Some(1_000.0));
                if let Object::List(widths) = file.of(&inner, "W") {
                    read.widths_of_codes(file, &widths);
                }
            }
            return Ok(read);
        }
        read.simple = simple(file, &file.of(font, "Encoding"));
        let first = file.of(font, "FirstChar").whole().unwrap_or(0);
        if let Object::List(widths) = file.of(font, "Widths") {
            for (code, width) in (first..).zip(widths.iter().take(256)) {
                read.widths.extend(file.follow(width).number().map(|width| (code, width)));
            }
        }
        Ok(read)
    }

    /// `[12 [500 600] 20 30 1000]`: from a code on, or for a range.
    fn widths_of_codes(&mut self, file: &File, widths: &[Object]) {
        let mut rest = widths;
        while let Some((first, after)) = rest.split_first() {
            let Some(first) = first.whole() else { return };
            match after {
                [Object::Number(_), width, after @ ..] => {
                    let last = after_number(rest).unwrap_or(first);
                    let width = file.follow(width).number().unwrap_or(1_000.0);
                    for code in (first..=last).take(MAX_WIDTHS) {
                        self.put_width(code, width);
                    }
                    rest = after;
                }
                [list, after @ ..] => {
                    if let Object::List(list) = file.follow(list) {
                        for (code, width) in (first..).zip(&list) {
                            self.put_width(code, width.number().unwrap_or(1_000.0));
                        }
                    }
                    rest = after;
                }
                [] => return,
            }
        }
    }

    fn put_width(&mut self, code: u32, width: f64) {
        if self.widths.len() < MAX_WIDTHS {
            self.widths.insert(code, width);
        }
    }

    /// What a string shows.
    pub(super) fn show(&self, bytes: &[u8]) -> Shown {
        let mut shown = Shown::default();
        let size = if self.two_bytes { 2 } else { 1 };
        for code in bytes.chunks(size) {
            let code = code.iter().fold(0, |code: u32, byte| code << 8 | u32::from(*byte));
            let at = usize::try_from(code).unwrap_or(usize::MAX);
            let text = self.map.get(code).or_else(|| self.simple.get(at).map(String::as_str));
            let text = text.unwrap_or("\u{fffd}");
            let width = self.widths.get(&code).copied().or(self.default_width);
            shown.width += width.unwrap_or_else(|| usual_width(text)) / 1_000.0;
            shown.text.push_str(text);
            shown.codes += 1;
            shown.spaces += usize::from(size == 1 && code == 32);
        }
        shown
    }
}

fn after_number(widths: &[Object]) -> Option<u32> {
    widths.get(1).and_then(Object::whole)
}

/// About how wide a text is in the fonts that every reader has.
fn usual_width(text: &str) -> f64 {
    match text.chars().next() {
        Some(
            'i' | 'j' | 'l' | '.' | ',' | ';' | ':' | '!' | '|' | '\'' | ' ' | 'f' | 't' | 'I',
        ) => 278.0,
        Some('m' | 'w' | 'M' | 'W' | '@' | '%') => 850.0,
        Some(c) if c.is_uppercase() => 690.0,
        _ => 556.0,
    }
}

/// The texts of codes of one byte.
fn simple(file: &File, encoding: &Object) -> Vec<String> {
    let (base, differences) = match encoding {
        Object::Name(name) => (name.as_str() == "MacRomanEncoding", None),
        Object::Dict(dict) => {
            let mac = file.of(dict, "BaseEncoding").name() == Some("MacRomanEncoding");
            (mac, Some(file.of(dict, "Differences")))
        }
        _ => (false, None),
    };
    let upper: Vec<char> = if base { MAC_ROMAN } else { WIN_ANSI }.chars().collect();
    let mut texts: Vec<String> = (0..=255_u8)
        .map(|code| match code {
            0..=127 => char::from(code).to_string(),
            _ => upper.get(usize::from(code) - 128).copied().unwrap_or('\u{fffd}').to_string(),
        })
        .collect();
    if let Some(Object::List(differences)) = differences {
        let mut at = 0_usize;
        for one in &differences {
            match one {
                Object::Name(name) => {
                    if let (Some(slot), Some(text)) = (texts.get_mut(at), named(name)) {
                        *slot = text;
                    }
                    at += 1;
                }
                other => {
                    let code = other.whole().and_then(|code| usize::try_from(code).ok());
                    at = code.unwrap_or(usize::MAX / 2);
                }
            }
        }
    }
    texts
}
