//! Values from Avro's binary form, bounded in depth and checked against the call.
use std::sync::Arc;

use mcp_workspace_stop::StopSignal;

use super::schema::{Id, Logical, Schema, Type};
use crate::cell::{Cell, Detail, Items};
use crate::error::TableError;
use crate::table::MAX_DEPTH;
use crate::time;

/// How often the call is looked at: items cost nothing in the file where they are null.
const CHECK_EVERY: u64 = 4_096;

/// Most items of a value that is read whole: they cost nothing in the file where they are null.
const MAX_WHOLE_ITEMS: usize = 100_000;

/// Reads values from the bytes of a block.
pub(super) struct Decoder<'a> {
    bytes: &'a [u8],
    schema: &'a Schema,
    stop: &'a StopSignal,
    detail: Detail,
    steps: u64,
    /// Items of the value that is being read.
    items: usize,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(
        bytes: &'a [u8],
        schema: &'a Schema,
        stop: &'a StopSignal,
        detail: Detail,
    ) -> Decoder<'a> {
        Decoder { bytes, schema, stop, detail, steps: 0, items: 0 }
    }

    /// The bytes that are left.
    pub(super) fn left(&self) -> usize {
        self.bytes.len()
    }

    /// The next field of a row.
    pub(super) fn field(&mut self, id: Id) -> Result<Cell, TableError> {
        self.items = 0;
        self.value(id, MAX_DEPTH)
    }

    /// Passes over the next field of a row.
    pub(super) fn skip_field(&mut self, id: Id) -> Result<(), TableError> {
        self.skip(id, MAX_DEPTH)
    }

    /// Counts an item that is kept.
    fn item(&mut self) -> Result<(), TableError> {
        self.items += 1;
        if self.detail == Detail::Whole && self.items > MAX_WHOLE_ITEMS {
            return Err(TableError::broken(format!(
                "a value has more than {MAX_WHOLE_ITEMS} items"
            )));
        }
        Ok(())
    }

    /// The next row.
    pub(super) fn row(&mut self) -> Result<Cell, TableError> {
        self.value(self.schema.row, MAX_DEPTH)
    }

    /// Passes over the next row.
    pub(super) fn skip_row(&mut self) -> Result<(), TableError> {
        self.skip(self.schema.row, MAX_DEPTH)
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn long(&mut self) -> Result<i64, TableError> {
        let (value, length) = long(self.bytes)?;
        self.take(length)?;
        Ok(value)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], TableError> {
        let (taken, rest) = self.bytes.split_at_checked(length).ok_or_else(short)?;
        self.bytes = rest;
        Ok(taken)
    }

    fn sized(&mut self) -> Result<&'a [u8], TableError> {
        let length = usize::try_from(self.long()?).map_err(|_| short())?;
        self.take(length)
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], TableError> {
        self.take(N)?.try_into().map_err(|_| short())
    }

    fn step(&mut self) -> Result<(), TableError> {
        self.steps += 1;
        if self.steps.is_multiple_of(CHECK_EVERY) {
            self.stop.check()?;
        }
        Ok(())
    }

    fn value(&mut self, id: Id, depth: usize) -> Result<Cell, TableError> {
        self.step()?;
        let depth = depth.checked_sub(1).ok_or_else(deep)?;
        let schema = self.schema;
        Ok(match schema.get(id) {
            Type::Null => Cell::Null,
            Type::Boolean => Cell::Bool(self.take(1)? != [0]),
            Type::Int(logical) | Type::Long(logical) => of_long(self.long()?, *logical),
            Type::Float => Cell::single(f32::from_le_bytes(self.fixed()?)),
            Type::Double => Cell::Float(f64::from_le_bytes(self.fixed()?)),
            Type::Bytes(logical) => of_bytes(self.sized()?, *logical, self.detail),
            Type::Fixed(size, logical) => of_bytes(self.take(*size)?, *logical, self.detail),
            Type::String => self.detail.utf8(self.sized()?),
            Type::Enum(symbols) => {
                let at = usize::try_from(self.long()?).ok();
                let symbol = at.and_then(|at| symbols.get(at));
                Cell::Text(symbol.ok_or_else(|| no_branch("symbol"))?.to_string())
            }
            Type::Union(branches) => {
                let branch = self.branch(branches)?;
                self.value(branch, depth)?
            }
            Type::Record(fields) => {
                let mut cells = Vec::with_capacity(fields.len());
                for (name, id) in fields {
                    cells.push((name.clone(), self.value(*id, depth)?));
                }
                Cell::Record(cells)
            }
            Type::Array(items) => {
                let mut list = Items::new(self.detail);
                self.blocks(|decoder, _| {
                    if list.is_full() {
                        list.count();
                        return decoder.skip(*items, depth);
                    }
                    decoder.item()?;
                    list.push(decoder.value(*items, depth)?);
                    Ok(())
                })?;
                list.list()
            }
            Type::Map(values) => {
                let mut pairs: Vec<(Arc<str>, Cell)> = Vec::new();
                let mut more = 0_u64;
                self.blocks(|decoder, _| {
                    let key = decoder.sized()?;
                    if pairs.len() >= decoder.detail.items() {
                        more += 1;
                        return decoder.skip(*values, depth);
                    }
                    decoder.item()?;
                    let Cell::Text(key) = Cell::utf8(key) else { return Err(short()) };
                    pairs.push((key.into(), decoder.value(*values, depth)?));
                    Ok(())
                })?;
                if more > 0 {
                    pairs.push(("…".into(), Cell::Text(format!("{more} more items"))));
                }
                Cell::Record(pairs)
            }
        })
    }

    fn skip(&mut self, id: Id, depth: usize) -> Result<(), TableError> {
        self.step()?;
        let depth = depth.checked_sub(1).ok_or_else(deep)?;
        let schema = self.schema;
        match schema.get(id) {
            Type::Null => {}
            Type::Boolean => drop(self.take(1)?),
            Type::Int(_) | Type::Long(_) | Type::Enum(_) => drop(self.long()?),
            Type::Float => drop(self.take(4)?),
            Type::Double => drop(self.take(8)?),
            Type::Bytes(_) | Type::String => drop(self.sized()?),
            Type::Fixed(size, _) => drop(self.take(*size)?),
            Type::Union(branches) => {
                let branch = self.branch(branches)?;
                self.skip(branch, depth)?;
            }
            Type::Record(fields) => {
                for (_, id) in fields {
                    self.skip(*id, depth)?;
                }
            }
            Type::Array(items) => {
                self.blocks(|decoder, _| decoder.skip(*items, depth))?;
            }
            Type::Map(values) => self.blocks(|decoder, _| {
                decoder.sized()?;
                decoder.skip(*values, depth)
            })?,
        }
        Ok(())
    }

    fn branch(&mut self, branches: &[Id]) -> Result<Id, TableError> {
        let at = usize::try_from(self.long()?).ok();
        at.and_then(|at| branches.get(at)).copied().ok_or_else(|| no_branch("branch"))
    }

    /// The blocks of an array or a map.
    fn blocks(
        &mut self,
        mut item: impl FnMut(&mut Self, u64) -> Result<(), TableError>,
    ) -> Result<(), TableError> {
        loop {
            let count = self.long()?;
            if count == 0 {
                return Ok(());
            }
            if count < 0 {
                // The block's length in bytes, for those who skip it.
                self.long()?;
            }
            for at in 0..count.unsigned_abs() {
                item(self, at)?;
            }
        }
    }
}

fn of_long(value: i64, logical: Option<Logical>) -> Cell {
    match logical {
        Some(Logical::Date) => time::date(value),
        Some(Logical::Time(unit)) => time::time_of_day(value, unit),
        Some(Logical::Timestamp(unit, utc)) => time::timestamp(value, unit, utc),
        _ => Cell::Int(value),
    }
}

fn of_bytes(bytes: &[u8], logical: Option<Logical>, detail: Detail) -> Cell {
    match (logical, bytes) {
        (Some(Logical::Decimal { scale, .. }), _) => time::decimal_of_bytes(bytes, scale),
        (Some(Logical::Uuid), _) => time::uuid(bytes),
        (Some(Logical::Duration), &[a, b, c, d, e, f, g, h, i, j, k, l]) => {
            let [months, days, millis] =
                [[a, b, c, d], [e, f, g, h], [i, j, k, l]].map(u32::from_le_bytes);
            Cell::Text(format!("{months} months, {days} days, {millis} ms"))
        }
        _ => detail.bytes(bytes),
    }
}

/// A number as Avro writes it, and how many bytes it takes.
pub(super) fn long(bytes: &[u8]) -> Result<(i64, usize), TableError> {
    let mut value = 0_u64;
    for (at, byte) in bytes.iter().take(10).enumerate() {
        value |=
            u64::from(byte & 0x7F).checked_shl(7 * u32::try_from(at).unwrap_or(0)).unwrap_or(0);
        if byte & 0x80 == 0 {
            let value = (value >> 1).cast_signed() ^ -(value & 1).cast_signed();
            return Ok((value, at + 1));
        }
    }
    Err(short())
}

fn short() -> TableError {
    TableError::broken("a block ends in the middle of a value")
}

fn deep() -> TableError {
    TableError::broken(format!("a value nests deeper than {MAX_DEPTH} levels"))
}

fn no_branch(what: &str) -> TableError {
    TableError::broken(format!("a value has a {what} that the schema does not have"))
}
