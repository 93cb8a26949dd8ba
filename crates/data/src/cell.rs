//! A value of a table, before it becomes JSON: fields keep their order, and long parts are cut.
use std::sync::Arc;

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

/// Longest text of a value in characters. Longer text is cut.
pub(crate) const MAX_TEXT_CHARS: usize = 1_000;
/// Most bytes of a binary value that are shown.
pub(crate) const MAX_BYTES: usize = 64;
/// Most items of a list that are shown.
pub(crate) const MAX_ITEMS: usize = 100;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number that has no sign.
    Unsigned(u64),
    /// A number; not finite ones are the texts `NaN`, `Infinity` and `-Infinity`.
    Float(f64),
    /// A text.
    Text(String),
    /// Bytes as they are, which only a scan gives; JSON has them in hex.
    Bytes(Vec<u8>),
    /// Values in their order.
    List(Vec<Cell>),
    /// Named values in their order.
    Record(Vec<(Arc<str>, Cell)>),
}

impl Cell {
    /// A text, cut where it is too long.
    pub fn text(text: &str) -> Cell {
        match text.char_indices().nth(MAX_TEXT_CHARS) {
            None => Cell::Text(text.to_owned()),
            Some((end, _)) => {
                let (kept, rest) = text.split_at_checked(end).unwrap_or((text, ""));
                let more = rest.chars().count();
                Cell::Text(format!("{kept}… [cut: {more} more characters]"))
            }
        }
    }

    /// Text from bytes that are declared to be UTF-8. Only the bytes that are shown are decoded.
    pub fn utf8(bytes: &[u8]) -> Cell {
        let most = 4 * MAX_TEXT_CHARS + 4;
        match bytes.get(..most) {
            None => Cell::text(&String::from_utf8_lossy(bytes)),
            Some(start) => {
                let start = String::from_utf8_lossy(start);
                let kept: String = start.chars().take(MAX_TEXT_CHARS).collect();
                let more = bytes.len().saturating_sub(kept.len());
                Cell::Text(format!("{kept}… [cut: {more} more bytes]"))
            }
        }
    }

    /// Bytes in hex.
    pub fn bytes(bytes: &[u8]) -> Cell {
        use std::fmt::Write;
        let mut text = hex(bytes.get(..MAX_BYTES).unwrap_or(bytes));
        if bytes.len() > MAX_BYTES {
            // Writing to a String cannot fail.
            let _ = write!(text, "… [cut: {} more bytes]", bytes.len() - MAX_BYTES);
        }
        Cell::Text(text)
    }

    /// A number of single precision, as short as it is written.
    pub fn single(value: f32) -> Cell {
        Cell::Float(value.to_string().parse().unwrap_or(f64::from(value)))
    }

    /// The JSON text.
    pub fn json(&self) -> String {
        // Serialising to memory fails for no cell: keys are texts and numbers are finite.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Leaves out what is beyond about `room` characters, and says how much that is.
    pub fn fit(&mut self, room: usize) {
        let mut left = room;
        self.spend(&mut left);
    }

    fn spend(&mut self, left: &mut usize) {
        match self {
            Cell::Null | Cell::Bool(_) | Cell::Int(_) | Cell::Unsigned(_) | Cell::Float(_) => {
                *left = left.saturating_sub(8);
            }
            Cell::Text(text) => {
                // A control character takes six.
                let cost =
                    |c: char| if c.is_control() { 6 } else { 1 + usize::from("\"\\".contains(c)) };
                let room = *left;
                let mut spent = 3;
                let end = text.char_indices().find(|(_, character)| {
                    spent += cost(*character);
                    spent > room
                });
                if let Some((end, _)) = end {
                    text.truncate(end);
                    text.push('…');
                }
                *left = left.saturating_sub(spent);
            }
            Cell::Bytes(bytes) => {
                bytes.truncate(*left / 2);
                *left = left.saturating_sub(2 * bytes.len());
            }
            Cell::List(items) => {
                let mut kept = 0;
                for item in items.iter_mut() {
                    if *left == 0 {
                        break;
                    }
                    item.spend(left);
                    kept += 1;
                }
                let more = items.len() - kept;
                items.truncate(kept);
                if more > 0 {
                    items.push(Cell::Text(format!("… {more} more items")));
                }
            }
            Cell::Record(fields) => {
                let mut kept = 0;
                for (name, value) in fields.iter_mut() {
                    *left = left.saturating_sub(name.len() + 4);
                    if *left == 0 {
                        break;
                    }
                    value.spend(left);
                    kept += 1;
                }
                let more = fields.len() - kept;
                fields.truncate(kept);
                if more > 0 {
                    fields.push(("…".into(), Cell::Text(format!("{more} more fields"))));
                }
            }
        }
    }
}

impl Serialize for Cell {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Cell::Null => serializer.serialize_unit(),
            Cell::Bool(value) => serializer.serialize_bool(*value),
            Cell::Int(value) => serializer.serialize_i64(*value),
            Cell::Unsigned(value) => serializer.serialize_u64(*value),
            Cell::Float(value) if value.is_finite() => serializer.serialize_f64(*value),
            Cell::Float(value) if value.is_nan() => serializer.serialize_str("NaN"),
            Cell::Float(value) if *value > 0.0 => serializer.serialize_str("Infinity"),
            Cell::Float(_) => serializer.serialize_str("-Infinity"),
            Cell::Text(text) => serializer.serialize_str(text),
            Cell::Bytes(bytes) => serializer.serialize_str(&hex(bytes)),
            Cell::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(item)?;
                }
                list.end()
            }
            Cell::Record(fields) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                for (name, value) in fields {
                    map.serialize_entry(&**name, value)?;
                }
                map.end()
            }
        }
    }
}

/// How much of a value is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// As much as people look at: long parts are cut, and say so.
    Shown,
    /// All of it, for those who compute with it.
    Whole,
}

impl Detail {
    /// Text from bytes that are declared to be UTF-8.
    pub(crate) fn utf8(self, bytes: &[u8]) -> Cell {
        match self {
            Detail::Shown => Cell::utf8(bytes),
            Detail::Whole => Cell::Text(String::from_utf8_lossy(bytes).into_owned()),
        }
    }

    /// Bytes that mean nothing else.
    pub(crate) fn bytes(self, bytes: &[u8]) -> Cell {
        match self {
            Detail::Shown => Cell::bytes(bytes),
            Detail::Whole => Cell::Bytes(bytes.to_vec()),
        }
    }

    /// Most items of a list that are kept.
    pub(crate) fn items(self) -> usize {
        match self {
            Detail::Shown => MAX_ITEMS,
            Detail::Whole => usize::MAX,
        }
    }
}

/// Bytes in hex, behind `0x`.
fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(2 + 2 * bytes.len());
    text.push_str("0x");
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Collects the items of a list, of which only the first are kept.
#[derive(Debug)]
pub(crate) struct Items {
    kept: Vec<Cell>,
    most: usize,
    more: u64,
}

impl Items {
    pub(crate) fn new(detail: Detail) -> Items {
        Items { kept: Vec::new(), most: detail.items(), more: 0 }
    }

    pub(crate) fn push(&mut self, item: Cell) {
        if self.is_full() {
            self.count();
        } else {
            self.kept.push(item);
        }
    }

    /// Whether further items are only counted.
    pub(crate) fn is_full(&self) -> bool {
        self.kept.len() >= self.most
    }

    /// Counts an item that is not shown.
    pub(crate) fn count(&mut self) {
        self.more += 1;
    }

    pub(crate) fn list(mut self) -> Cell {
        if self.more > 0 {
            self.kept.push(Cell::Text(format!("… {} more items", self.more)));
        }
        Cell::List(self.kept)
    }
}
