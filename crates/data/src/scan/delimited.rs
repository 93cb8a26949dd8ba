//! Comma-separated values and their relatives (RFC 4180): the first record names the columns.
use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use super::notes::Odd;
use super::text::{Buffer, MAX_RECORD_BYTES, Packed};
use super::value::Value;
use super::{Affinity, Bounds, Column, MAX_COLUMNS};
use crate::error::TableError;

/// Most fields of a record that are looked at; a record may have more fields than columns.
const MAX_FIELDS: usize = 4 * MAX_COLUMNS;
/// How much of the beginning shows what the delimiter is.
const SNIFFED_BYTES: usize = 64 * 1024;

/// The rows of a file.
pub(crate) struct Delimited {
    records: Records,
    /// For each wanted column its place in a record.
    wanted: Vec<Option<usize>>,
    columns: usize,
    short: Odd,
    long: Odd,
    malformed: Odd,
}

impl Delimited {
    pub(super) fn columns(
        packed: Packed,
        tabs: bool,
        _bounds: &Bounds,
    ) -> Result<Vec<Column>, TableError> {
        let mut records = Records::new(packed, tabs)?;
        let names = names(&mut records)?;
        Ok(names.into_iter().map(|name| Column { name, affinity: Affinity::Any }).collect())
    }

    pub(super) fn open(
        packed: Packed,
        tabs: bool,
        wanted: &[&str],
        _bounds: &Bounds,
    ) -> Result<Delimited, TableError> {
        let mut records = Records::new(packed, tabs)?;
        let names = names(&mut records)?;
        let place = |wanted: &&str| names.iter().position(|name| name == wanted);
        Ok(Delimited {
            wanted: wanted.iter().map(place).collect(),
            columns: names.len(),
            records,
            short: Odd::default(),
            long: Odd::default(),
            malformed: Odd::default(),
        })
    }

    pub(super) fn advance(&mut self) -> Result<bool, TableError> {
        if !self.records.next()? {
            return Ok(false);
        }
        let line = self.records.line;
        if self.records.fields < self.columns {
            self.short.add(line);
        } else if self.records.fields > self.columns {
            self.long.add(line);
        }
        if std::str::from_utf8(self.records.record()).is_err() {
            self.malformed.add(line);
        }
        Ok(true)
    }

    pub(super) fn value(&self, at: usize) -> Value<'_> {
        match self.wanted.get(at) {
            Some(Some(place)) => Value::of_text(self.records.field(*place).unwrap_or_default()),
            _ => Value::Null,
        }
    }

    pub(super) fn line(&self) -> u64 {
        self.records.line
    }

    pub(super) fn notes(&self) -> Vec<String> {
        let columns = self.columns;
        [
            self.short.note(&format!("with fewer fields than the {columns} of the header")),
            self.long.note(&format!("with more fields than the {columns} of the header")),
            self.malformed.note("with bytes that are no UTF-8, shown as \u{fffd}"),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// The names in the first record: an empty one is `column_3`, one that repeats `name_2`.
fn names(records: &mut Records) -> Result<Vec<String>, TableError> {
    if !records.next()? {
        return Err(TableError::broken("it is empty: it has no line with the names of columns"));
    }
    let mut names: Vec<String> = Vec::new();
    for at in 0..records.fields {
        let name = String::from_utf8_lossy(records.field(at).unwrap_or_default());
        let name = name.trim();
        let name = if name.is_empty() { format!("column_{}", at + 1) } else { name.to_owned() };
        names.push(name);
    }
    Ok(super::distinct(names))
}

/// The records of a file, one at a time in one buffer.
struct Records {
    packed: Packed,
    reader: Reader,
    record: Buffer,
    ends: Vec<usize>,
    fields: usize,
    length: usize,
    /// The line on which the record begins, and the one that is being read.
    line: u64,
    reached: u64,
}

impl Records {
    fn new(mut packed: Packed, tabs: bool) -> Result<Records, TableError> {
        let delimiter = if tabs { b'\t' } else { delimiter(packed.block()?) };
        let mut record = Buffer::new(packed.room());
        record.make_room(1)?;
        Ok(Records {
            packed,
            reader: ReaderBuilder::new().delimiter(delimiter).build(),
            record,
            ends: vec![0; 64],
            fields: 0,
            length: 0,
            line: 1,
            reached: 1,
        })
    }

    fn next(&mut self) -> Result<bool, TableError> {
        self.skip_blank_lines()?;
        self.line = self.reached;
        (self.fields, self.length) = (0, 0);
        loop {
            let block = self.packed.block()?;
            let capacity = self.record.bytes.capacity();
            self.record.bytes.resize(capacity, 0);
            let space = self.record.bytes.get_mut(self.length..).unwrap_or_default();
            let ends = self.ends.get_mut(self.fields..).unwrap_or_default();
            let (result, read, written, ended) = self.reader.read_record(block, space, ends);
            let lines = memchr::memchr_iter(b'\n', block.get(..read).unwrap_or_default()).count();
            self.reached += lines as u64;
            self.packed.take(read);
            self.length += written;
            self.fields += ended;
            match result {
                ReadRecordResult::Record => return Ok(true),
                ReadRecordResult::End => return Ok(false),
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => {
                    let more = self.length.saturating_mul(2).max(self.length + 1);
                    let most = if self.length < MAX_RECORD_BYTES { MAX_RECORD_BYTES } else { more };
                    self.record.make_room(more.min(most)).map_err(|error| self.too_long(error))?;
                }
                ReadRecordResult::OutputEndsFull => {
                    if self.ends.len() >= MAX_FIELDS {
                        return Err(TableError::broken(format!(
                            "the row on line {} has more than {MAX_FIELDS} fields",
                            self.line
                        )));
                    }
                    self.ends.resize((self.ends.len() * 2).min(MAX_FIELDS), 0);
                }
            }
        }
    }

    /// A quote that is not closed takes in all that follows.
    fn too_long(&self, error: TableError) -> TableError {
        match error {
            TableError::Broken(_) => TableError::broken(format!(
                "the row on line {} is longer than {MAX_RECORD_BYTES} bytes: perhaps a quote is \
                 not closed",
                self.line
            )),
            other => other,
        }
    }

    fn skip_blank_lines(&mut self) -> Result<(), TableError> {
        loop {
            let block = self.packed.block()?;
            let blank = block.iter().take_while(|byte| matches!(byte, b'\n' | b'\r')).count();
            let ends = block.iter().take(blank).filter(|byte| **byte == b'\n').count();
            self.packed.take(blank);
            self.reached += ends as u64;
            if blank == 0 {
                return Ok(());
            }
        }
    }

    fn record(&self) -> &[u8] {
        self.record.bytes.get(..self.length).unwrap_or_default()
    }

    fn field(&self, at: usize) -> Option<&[u8]> {
        if at >= self.fields {
            return None;
        }
        let start = match at.checked_sub(1) {
            Some(before) => *self.ends.get(before)?,
            None => 0,
        };
        self.record.bytes.get(start..*self.ends.get(at)?)
    }
}

/// Of `,` `;` tab and `|` the one that the first line has most of outside of quotes; the first of
/// them where none has more.
fn delimiter(block: &[u8]) -> u8 {
    const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];
    let mut counts = [0_usize; 4];
    let mut quoted = false;
    for byte in block.iter().take(SNIFFED_BYTES) {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' if !quoted => break,
            _ if quoted => {}
            byte => {
                if let Some(at) = DELIMITERS.iter().position(|one| one == byte)
                    && let Some(count) = counts.get_mut(at)
                {
                    *count += 1;
                }
            }
        }
    }
    let mut best = (b',', 0);
    for (delimiter, count) in DELIMITERS.into_iter().zip(counts) {
        if count > best.1 {
            best = (delimiter, count);
        }
    }
    best.0
}
