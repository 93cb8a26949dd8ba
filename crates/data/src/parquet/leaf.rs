//! The values of one column for a window of rows.
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::vec::IntoIter;

use parquet::basic::{ConvertedType, LogicalType, TimeUnit};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl, get_column_reader};
use parquet::data_type::{AsBytes, DataType};
use parquet::errors::ParquetError;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::schema::types::{ColumnDescPtr, ColumnDescriptor};

use super::pages::Pages;
use crate::cell::{Cell, Detail};
use crate::error::TableError;
use crate::source::Source;
use crate::time::{self, Unit};

/// Rows that are decoded at once, so that the call is looked at in between.
const STEP: usize = 1_024;
/// As many where a row may have many values, or where values multiply.
const SMALL_STEP: usize = 16;
/// Rows that are passed over at once where values do not multiply.
const SKIP_STEP: usize = 64 * 1024;
/// Most levels of a column in rows that are read at once.
const MAX_LEVELS: usize = 2 * 1024 * 1024;

/// As many of a nested column in a scan, of which a row may have many values.
const NESTED_SCAN_STEP: usize = 4;
/// As many where each value is made of the one before, and is kept as it is.
pub(super) const CHAINED_SCAN_STEP: usize = 4;

/// The levels of a column, and what is at those that are there.
pub(super) struct Leaf {
    definitions: Vec<i16>,
    repetitions: Vec<i16>,
    values: Box<dyn Values>,
    max_definition: i16,
    levels: usize,
    at: usize,
}

impl Leaf {
    /// Reads `rows` rows after the first `skip` of a column chunk.
    pub(super) fn read(
        source: &Source,
        column: &ColumnChunkMetaData,
        skip: u64,
        rows: usize,
    ) -> Result<Leaf, TableError> {
        <dyn Chunk>::open(source, column, skip, Detail::Shown)?.read(rows)
    }

    /// Definition and repetition level of the next value.
    pub(super) fn levels(&self) -> Option<(i16, i16)> {
        (self.at < self.levels).then(|| {
            let level = |levels: &[i16], none| levels.get(self.at).copied().unwrap_or(none);
            (level(&self.definitions, self.max_definition), level(&self.repetitions, 0))
        })
    }

    /// Goes on to the next value, and gives this one; none where it is not there.
    pub(super) fn take(&mut self) -> Option<Cell> {
        let (definition, _) = self.levels()?;
        self.at += 1;
        if definition == self.max_definition { self.values.next() } else { None }
    }

    /// Goes on to the next value, and does not look at this one.
    pub(super) fn pass(&mut self) {
        if let Some((definition, _)) = self.levels() {
            self.at += 1;
            if definition == self.max_definition {
                self.values.pass();
            }
        }
    }
}

/// Values that were read.
trait Values: Send {
    fn next(&mut self) -> Option<Cell>;
    fn pass(&mut self);
}

impl Values for IntoIter<Cell> {
    fn next(&mut self) -> Option<Cell> {
        Iterator::next(self)
    }

    fn pass(&mut self) {
        Iterator::next(self);
    }
}

/// Values as their decoder left them, which become cells when they are asked for.
struct Raw<T, F> {
    values: IntoIter<T>,
    cell: F,
}

impl<T: Send, F: Fn(&T) -> Cell + Send> Values for Raw<T, F> {
    fn next(&mut self) -> Option<Cell> {
        self.values.next().map(|value| (self.cell)(&value))
    }

    fn pass(&mut self) {
        self.values.next();
    }
}

/// A column chunk that is read from its beginning on.
pub(super) trait Chunk: Send {
    /// The next rows: so many, or the error.
    fn read(&mut self, rows: usize) -> Result<Leaf, TableError>;
    /// Passes over rows.
    fn skip(&mut self, rows: u64) -> Result<(), TableError>;
    /// Rows that a scan reads at once.
    fn step(&self) -> usize;
}

impl dyn Chunk {
    /// Opens a column chunk behind its first `skip` rows.
    pub(super) fn open(
        source: &Source,
        column: &ColumnChunkMetaData,
        skip: u64,
        detail: Detail,
    ) -> Result<Box<dyn Chunk>, TableError> {
        let descriptor = column.column_descr_ptr();
        let mut pages = Pages::new(source, column)?;
        let nested = descriptor.max_rep_level() > 0;
        let step = match detail {
            Detail::Whole if nested => NESTED_SCAN_STEP,
            Detail::Whole if pages.chained() => CHAINED_SCAN_STEP,
            _ if nested || pages.chained() => SMALL_STEP,
            _ => STEP,
        };
        let skip_step = if pages.chained() { SMALL_STEP } else { SKIP_STEP };
        let skip = skip_pages(&mut pages, skip)?;
        let record = pages.record_values();
        let kind = Meaning::of(&descriptor);
        let reader = get_column_reader(descriptor.clone(), Box::new(pages));
        let about = About { descriptor, source: source.clone(), step, skip_step, detail, record };
        let mut chunk: Box<dyn Chunk> = match reader {
            ColumnReader::BoolColumnReader(reader) => {
                about.typed(reader, |value| Cell::Bool(*value))
            }
            ColumnReader::Int32ColumnReader(reader) => {
                about.typed(reader, move |value| kind.of_int32(*value))
            }
            ColumnReader::Int64ColumnReader(reader) => {
                about.typed(reader, move |value| kind.of_int64(*value))
            }
            ColumnReader::Int96ColumnReader(reader) => {
                about.typed(reader, |value| time::int96(value.data()))
            }
            ColumnReader::FloatColumnReader(reader) => {
                about.typed(reader, |value| Cell::single(*value))
            }
            ColumnReader::DoubleColumnReader(reader) => {
                about.typed(reader, |value| Cell::Float(*value))
            }
            ColumnReader::ByteArrayColumnReader(reader) => {
                about.typed(reader, move |value| kind.of_bytes(value.as_bytes(), detail))
            }
            ColumnReader::FixedLenByteArrayColumnReader(reader) => {
                about.typed(reader, move |value| kind.of_bytes(value.as_bytes(), detail))
            }
        };
        chunk.skip(skip)?;
        Ok(chunk)
    }
}

struct About {
    descriptor: ColumnDescPtr,
    source: Source,
    step: usize,
    skip_step: usize,
    detail: Detail,
    /// Values that the pages have given since this was set to 0, where a row may have many.
    record: Arc<AtomicU64>,
}

impl About {
    fn typed<T: DataType, F>(self, reader: ColumnReaderImpl<T>, cell: F) -> Box<dyn Chunk>
    where
        F: Fn(&T::T) -> Cell + Clone + Send + 'static,
    {
        Box::new(Typed { about: self, reader, cell })
    }
}

struct Typed<T: DataType, F> {
    about: About,
    reader: ColumnReaderImpl<T>,
    cell: F,
}

/// Passes over whole pages. How many rows of what follows are still to be skipped.
fn skip_pages(pages: &mut Pages, mut skip: u64) -> Result<u64, TableError> {
    while skip > 0
        && let Some(rows) = pages.peek_past_dictionary()?
        && rows <= skip
    {
        pages.skip_data_page()?;
        skip -= rows;
    }
    Ok(skip)
}

impl<T: DataType, F> Chunk for Typed<T, F>
where
    F: Fn(&T::T) -> Cell + Clone + Send + 'static,
{
    fn read(&mut self, wanted: usize) -> Result<Leaf, TableError> {
        let About { descriptor, source, step, detail, record, .. } = &self.about;
        let (mut definitions, mut repetitions) = (Vec::new(), Vec::new());
        let (mut values, mut cells) = (Vec::new(), Vec::new());
        let (mut rows, mut levels) = (0, 0);
        while rows < wanted {
            source.stop().check()?;
            record.store(0, Ordering::Relaxed);
            let step = (*step).min(wanted - rows);
            let (records, _, new) = self
                .reader
                .read_records(step, Some(&mut definitions), Some(&mut repetitions), &mut values)
                .map_err(ours)?;
            if records == 0 {
                return Err(fewer_rows(descriptor));
            }
            rows += records;
            levels += new;
            if levels > MAX_LEVELS {
                return Err(TableError::TooMany(descriptor.path().string(), MAX_LEVELS));
            }
            if *detail == Detail::Shown {
                cells.extend(values.iter().map(&self.cell));
                values.clear();
            }
        }
        let values: Box<dyn Values> = match detail {
            Detail::Shown => Box::new(cells.into_iter()),
            Detail::Whole => Box::new(Raw { values: values.into_iter(), cell: self.cell.clone() }),
        };
        Ok(Leaf {
            definitions,
            repetitions,
            values,
            max_definition: descriptor.max_def_level(),
            levels,
            at: 0,
        })
    }

    fn skip(&mut self, rows: u64) -> Result<(), TableError> {
        skip_rows(&mut self.reader, &self.about, rows)
    }

    fn step(&self) -> usize {
        self.about.step
    }
}

/// Passes over rows that are not wanted, where no whole page was to be passed over.
fn skip_rows<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    about: &About,
    mut skip: u64,
) -> Result<(), TableError> {
    let About { descriptor, source, skip_step, record, .. } = about;
    let nested = descriptor.max_rep_level() > 0;
    while skip > 0 {
        source.stop().check()?;
        record.store(0, Ordering::Relaxed);
        let left = usize::try_from(skip).unwrap_or(usize::MAX);
        // Where repetition levels end too soon, `skip_records` goes on for ever; reading notices.
        let skipped = if nested {
            let (mut definitions, mut repetitions) = (Vec::new(), Vec::new());
            let (step, mut values) = (left.min(SMALL_STEP), Vec::new());
            let levels = (Some(&mut definitions), Some(&mut repetitions));
            reader.read_records(step, levels.0, levels.1, &mut values).map_err(ours)?.0
        } else {
            reader.skip_records(left.min(*skip_step)).map_err(ours)?
        };
        match skipped {
            0 => return Err(fewer_rows(descriptor)),
            skipped => skip -= skipped as u64,
        }
    }
    Ok(())
}

fn fewer_rows(column: &ColumnDescriptor) -> TableError {
    let column = column.path().string();
    TableError::broken(format!("column `{column}` has fewer rows than its row group"))
}

/// An error of ours comes back as it went in.
fn ours(error: ParquetError) -> TableError {
    match error {
        ParquetError::External(error) => match error.downcast::<TableError>() {
            Ok(error) => *error,
            Err(error) => TableError::broken(error.to_string()),
        },
        other => TableError::broken(other.to_string()),
    }
}

/// What the numbers or bytes of a column mean.
#[derive(Clone, Copy)]
pub(super) enum Meaning {
    Plain,
    Unsigned,
    Text,
    Date,
    Time(Unit),
    Timestamp(Unit, bool),
    Decimal(i32),
    Uuid,
    Half,
    Bytes,
}

impl Meaning {
    pub(super) fn of(descriptor: &ColumnDescPtr) -> Meaning {
        match descriptor.logical_type_ref() {
            Some(LogicalType::String | LogicalType::Enum | LogicalType::Json) => Meaning::Text,
            Some(LogicalType::Date) => Meaning::Date,
            Some(LogicalType::Time(time)) => Meaning::Time(unit(&time.unit)),
            Some(LogicalType::Timestamp(timestamp)) => {
                Meaning::Timestamp(unit(&timestamp.unit), timestamp.is_adjusted_to_u_t_c)
            }
            Some(LogicalType::Integer(int)) if !int.is_signed => Meaning::Unsigned,
            Some(LogicalType::Decimal(decimal)) => Meaning::Decimal(decimal.scale),
            Some(LogicalType::Uuid) => Meaning::Uuid,
            Some(LogicalType::Float16) => Meaning::Half,
            Some(LogicalType::Bson) => Meaning::Bytes,
            _ => match descriptor.converted_type() {
                ConvertedType::UTF8 | ConvertedType::ENUM | ConvertedType::JSON => Meaning::Text,
                ConvertedType::DATE => Meaning::Date,
                ConvertedType::TIME_MILLIS => Meaning::Time(Unit::Millis),
                ConvertedType::TIME_MICROS => Meaning::Time(Unit::Micros),
                ConvertedType::TIMESTAMP_MILLIS => Meaning::Timestamp(Unit::Millis, true),
                ConvertedType::TIMESTAMP_MICROS => Meaning::Timestamp(Unit::Micros, true),
                ConvertedType::UINT_8
                | ConvertedType::UINT_16
                | ConvertedType::UINT_32
                | ConvertedType::UINT_64 => Meaning::Unsigned,
                ConvertedType::DECIMAL => Meaning::Decimal(descriptor.type_scale()),
                _ => Meaning::Plain,
            },
        }
    }

    fn of_int32(self, value: i32) -> Cell {
        match self {
            Meaning::Unsigned => Cell::Unsigned(value.cast_unsigned().into()),
            other => other.of_int64(value.into()),
        }
    }

    pub(super) fn of_int64(self, value: i64) -> Cell {
        match self {
            Meaning::Unsigned => Cell::Unsigned(value.cast_unsigned()),
            Meaning::Date => time::date(value),
            Meaning::Time(unit) => time::time_of_day(value, unit),
            Meaning::Timestamp(unit, utc) => time::timestamp(value, unit, utc),
            Meaning::Decimal(scale) => time::decimal(value.into(), scale),
            _ => Cell::Int(value),
        }
    }

    fn of_bytes(self, bytes: &[u8], detail: Detail) -> Cell {
        match self {
            Meaning::Text => detail.utf8(bytes),
            Meaning::Decimal(scale) => time::decimal_of_bytes(bytes, scale),
            Meaning::Uuid => time::uuid(bytes),
            Meaning::Half => match bytes.first_chunk::<2>() {
                Some(half) => Cell::single(half_to_single(u16::from_le_bytes(*half))),
                None => Cell::Null,
            },
            _ => detail.bytes(bytes),
        }
    }
}

fn half_to_single(half: u16) -> f32 {
    let sign = if half & 0x8000 == 0 { 1.0 } else { -1.0 };
    let (exponent, part) = (i32::from(half >> 10 & 0x1F), f32::from(half & 0x3FF));
    match exponent {
        0 => sign * part * 2_f32.powi(-24),
        31 if part == 0.0 => sign * f32::INFINITY,
        31 => f32::NAN,
        _ => sign * (1.0 + part / 1_024.0) * 2_f32.powi(exponent - 15),
    }
}

fn unit(unit: &TimeUnit) -> Unit {
    match unit {
        TimeUnit::MILLIS => Unit::Millis,
        TimeUnit::MICROS => Unit::Micros,
        TimeUnit::NANOS => Unit::Nanos,
    }
}
