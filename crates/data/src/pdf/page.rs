//! The text of a page: what its operators show, put into lines by where it stands.
use std::collections::HashMap;
use std::rc::Rc;

use super::file::{File, MAX_STREAM_BYTES};
use super::font::Font;
use super::object::{Dict, Lexer, MAX_VALUES, Object};
use crate::error::TableError;

/// Most bytes of the text of a page.
const MAX_TEXT_BYTES: usize = 2 * 1024 * 1024;
/// How deep forms may show forms, and how many a page may show.
const MAX_FORM_DEPTH: usize = 8;
const MAX_FORMS: usize = 500;
/// Most operands that are kept for an operator.
const MAX_OPERANDS: usize = 64;
/// Most states that are kept at once.
const MAX_STATES: usize = 64;
/// Most fonts of a page.
const MAX_FONTS: usize = 200;

/// The text of a page.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub text: String,
    /// Images that it shows.
    pub images: usize,
    /// The size of the largest, in pixels.
    pub largest: Option<(u32, u32)>,
    /// Codes of fonts that do not say which text they stand for.
    pub unknown: bool,
}

/// A matrix: what `cm` and `Tm` set.
type Matrix = [f64; 6];

const IDENTITY: Matrix = [1.0, 0.0, 0.0, 1.0, 0.0, 0.0];

/// One after the other.
fn times(first: &Matrix, then: &Matrix) -> Matrix {
    let [a, b, c, d, e, f] = *first;
    let [g, h, i, j, k, l] = *then;
    [
        a * g + b * i,
        a * h + b * j,
        c * g + d * i,
        c * h + d * j,
        e * g + f * i + k,
        e * h + f * j + l,
    ]
}

/// What an operator changes and `q` keeps.
#[derive(Clone)]
struct State {
    matrix: Matrix,
    font: Option<Rc<Font>>,
    size: f64,
    leading: f64,
    between_codes: f64,
    between_words: f64,
    scale: f64,
    rise: f64,
}

/// Goes through the operators of a page.
struct Reader<'a> {
    file: &'a File,
    page: Page,
    state: State,
    kept: Vec<State>,
    text_matrix: Matrix,
    line_matrix: Matrix,
    /// Where the last text ended, and its size; none at the beginning.
    last: Option<(f64, f64, f64)>,
    fonts: HashMap<String, Option<Rc<Font>>>,
    forms: usize,
}

/// Reads the text of the page of a number.
pub(super) fn read(file: &File, number: u32) -> Result<Page, TableError> {
    let Some(Object::Dict(page)) = file.get(number) else { return Ok(Page::default()) };
    let resources = file.resources(&page);
    let mut content = Vec::new();
    let parts = match page.get("Contents") {
        Some(Object::List(parts)) => parts.clone(),
        Some(Object::Ref(one)) => match file.get(*one) {
            Some(Object::List(parts)) => parts,
            _ => vec![Object::Ref(*one)],
        },
        _ => Vec::new(),
    };
    for part in parts {
        if let Object::Ref(number) = part
            && let Some((_, bytes)) = file.stream(number, MAX_STREAM_BYTES)?
        {
            content.extend_from_slice(&bytes);
            content.push(b'\n');
        }
        if content.len() > 2 * MAX_STREAM_BYTES {
            return Err(TableError::broken(format!("a page is over {MAX_STREAM_BYTES} bytes")));
        }
    }
    let state = State {
        matrix: IDENTITY,
        font: None,
        size: 1.0,
        leading: 0.0,
        between_codes: 0.0,
        between_words: 0.0,
        scale: 1.0,
        rise: 0.0,
    };
    let mut reader = Reader {
        file,
        page: Page::default(),
        state,
        kept: Vec::new(),
        text_matrix: IDENTITY,
        line_matrix: IDENTITY,
        last: None,
        fonts: HashMap::new(),
        forms: 0,
    };
    reader.run(&content, &resources, 0)?;
    Ok(reader.page)
}

impl Reader<'_> {
    fn run(&mut self, content: &[u8], resources: &Dict, depth: usize) -> Result<(), TableError> {
        let mut lexer = Lexer::new(content, 0);
        let mut operands: Vec<Object> = Vec::new();
        let (mut count, mut values) = (0_u32, 0_usize);
        while let Some(object) = lexer.next() {
            let Object::Word(word) = object else {
                values += lexer.values;
                if operands.len() < MAX_OPERANDS && values < MAX_VALUES {
                    operands.push(object);
                }
                continue;
            };
            values = 0;
            count = count.wrapping_add(1);
            if count.is_multiple_of(1_024) {
                self.file.check()?;
            }
            if self.page.text.len() > MAX_TEXT_BYTES {
                self.page.text.push_str("\n[cut: the page has more text]\n");
                return Ok(());
            }
            match word.as_slice() {
                b"BI" => {
                    self.page.images += 1;
                    // Its bytes are no operators.
                    let rest = content.get(lexer.at..).unwrap_or_default();
                    let end = memchr::memmem::find(rest, b"EI");
                    lexer.at += end.map_or(rest.len(), |end| end + 2);
                }
                b"Do" => {
                    if let Some(Object::Name(name)) = operands.first() {
                        self.external(&name.clone(), resources, depth)?;
                    }
                }
                b"Tf" => {
                    if let Some(Object::Name(name)) = operands.first() {
                        self.state.font = self.font(&name.clone(), resources, depth)?;
                    }
                    self.state.size = number(&operands, 1);
                }
                word => self.operator(word, &operands),
            }
            operands.clear();
        }
        Ok(())
    }

    fn operator(&mut self, word: &[u8], operands: &[Object]) {
        let at = |index| number(operands, index);
        match word {
            b"q" if self.kept.len() < MAX_STATES => self.kept.push(self.state.clone()),
            b"Q" => {
                if let Some(state) = self.kept.pop() {
                    self.state = state;
                }
            }
            b"cm" => {
                let change = [at(0), at(1), at(2), at(3), at(4), at(5)];
                self.state.matrix = times(&change, &self.state.matrix);
            }
            b"BT" => (self.text_matrix, self.line_matrix) = (IDENTITY, IDENTITY),
            b"Tc" => self.state.between_codes = at(0),
            b"Tw" => self.state.between_words = at(0),
            b"Tz" => self.state.scale = at(0) / 100.0,
            b"TL" => self.state.leading = at(0),
            b"Ts" => self.state.rise = at(0),
            b"Td" => self.next_line(at(0), at(1)),
            b"TD" => {
                self.state.leading = -at(1);
                self.next_line(at(0), at(1));
            }
            b"Tm" => {
                self.line_matrix = [at(0), at(1), at(2), at(3), at(4), at(5)];
                self.text_matrix = self.line_matrix;
            }
            b"T*" => self.next_line(0.0, -self.state.leading),
            b"Tj" => self.show(operands.first()),
            b"'" => {
                self.next_line(0.0, -self.state.leading);
                self.show(operands.first());
            }
            b"\"" => {
                (self.state.between_words, self.state.between_codes) = (at(0), at(1));
                self.next_line(0.0, -self.state.leading);
                self.show(operands.get(2));
            }
            b"TJ" => {
                if let Some(Object::List(parts)) = operands.first() {
                    for part in parts {
                        match part {
                            Object::Number(back) => {
                                self.advance(-back / 1_000.0 * self.state.size * self.state.scale);
                            }
                            text => self.show(Some(text)),
                        }
                    }
                }
            }
            _ => {}
        }
    }

    fn next_line(&mut self, x: f64, y: f64) {
        self.line_matrix = times(&[1.0, 0.0, 0.0, 1.0, x, y], &self.line_matrix);
        self.text_matrix = self.line_matrix;
    }

    fn advance(&mut self, x: f64) {
        self.text_matrix = times(&[1.0, 0.0, 0.0, 1.0, x, 0.0], &self.text_matrix);
    }

    fn show(&mut self, text: Option<&Object>) {
        let (Some(Object::Text(bytes)), Some(font)) = (text, self.state.font.clone()) else {
            return;
        };
        let shown = font.show(bytes);
        #[expect(clippy::cast_precision_loss, reason = "a count of codes in a string")]
        let between = shown.codes as f64 * self.state.between_codes
            + shown.spaces as f64 * self.state.between_words;
        let width = (shown.width * self.state.size + between) * self.state.scale;
        let place = times(&self.text_matrix, &self.state.matrix);
        let [a, b, _, _, x, y] = place;
        let size = (a.hypot(b) * self.state.size).abs().max(0.001);
        self.advance(width);
        let [.., end_x, end_y] = times(&self.text_matrix, &self.state.matrix);
        self.place(x, y, size);
        self.page.unknown |= shown.text.contains('\u{fffd}');
        let visible = |c: char| if c.is_control() { ' ' } else { c };
        self.page.text.extend(shown.text.chars().map(visible));
        self.last = Some((end_x, end_y, size));
    }

    /// Begins a line, or leaves a space, where the next text stands apart from the last.
    fn place(&mut self, x: f64, y: f64, size: f64) {
        let Some((last_x, last_y, last_size)) = self.last else { return };
        let text = &mut self.page.text;
        let size = size.max(last_size);
        let down = (y - last_y).abs();
        if down > 0.45 * size || x < last_x - 2.0 * size {
            if !text.ends_with('\n') {
                text.push('\n');
            }
            if last_y - y > 1.9 * size && !text.ends_with("\n\n") {
                text.push('\n');
            }
        } else if x - last_x > 1.5 * size {
            text.push('\t');
        } else if x - last_x > 0.18 * size && !text.ends_with([' ', '\n', '\t']) {
            text.push(' ');
        }
    }

    fn font(
        &mut self,
        name: &str,
        resources: &Dict,
        depth: usize,
    ) -> Result<Option<Rc<Font>>, TableError> {
        // A form has names of its own.
        let key = format!("{depth}/{}/{name}", self.forms * usize::from(depth > 0));
        if let Some(font) = self.fonts.get(&key) {
            return Ok(font.clone());
        }
        if self.fonts.len() >= MAX_FONTS {
            return Ok(None);
        }
        let fonts = self.file.dict_of(resources, "Font").unwrap_or_default();
        let font = match self.file.dict_of(&fonts, name) {
            Some(font) => Some(Rc::new(Font::read(self.file, &font)?)),
            None => None,
        };
        self.fonts.insert(key, font.clone());
        Ok(font)
    }

    /// An image, which is counted, or a form, which is shown in its place.
    fn external(&mut self, name: &str, resources: &Dict, depth: usize) -> Result<(), TableError> {
        let objects = self.file.dict_of(resources, "XObject").unwrap_or_default();
        let Some(Object::Ref(object)) = objects.get(name) else { return Ok(()) };
        let Some(dict) = self.file.stream_dict(*object) else { return Ok(()) };
        match dict.get("Subtype").and_then(Object::name) {
            Some("Image") => {
                self.page.images += 1;
                let size = |key| self.file.of(&dict, key).whole();
                if let (Some(width), Some(height)) = (size("Width"), size("Height")) {
                    let area = |(width, height)| u64::from(width) * u64::from(height);
                    let largest =
                        self.page.largest.filter(|old| area(*old) > area((width, height)));
                    self.page.largest = largest.or(Some((width, height)));
                }
                Ok(())
            }
            Some("Form") if depth < MAX_FORM_DEPTH && self.forms < MAX_FORMS => {
                self.forms += 1;
                let Some((dict, bytes)) = self.file.stream(*object, MAX_STREAM_BYTES)? else {
                    return Ok(());
                };
                let own = self.file.dict_of(&dict, "Resources");
                let before = self.state.clone();
                if let Object::List(matrix) = self.file.of(&dict, "Matrix") {
                    let at = |index| number(&matrix, index);
                    let change = [at(0), at(1), at(2), at(3), at(4), at(5)];
                    self.state.matrix = times(&change, &self.state.matrix);
                }
                let kept = std::mem::take(&mut self.kept);
                let done = self.run(&bytes, own.as_ref().unwrap_or(resources), depth + 1);
                (self.state, self.kept) = (before, kept);
                done
            }
            _ => Ok(()),
        }
    }
}

fn number(operands: &[Object], index: usize) -> f64 {
    operands.get(index).and_then(Object::number).unwrap_or(0.0)
}
