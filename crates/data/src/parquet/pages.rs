//! The pages of one column chunk, each checked before its decoder sees it.
//!
//! The decoders trust what a page says of itself: they make room for as many values as it
//! declares. So pages are found, measured and decompressed here.
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parquet::basic::{Encoding, Type};
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ColumnChunkMetaData;

use super::header::{Data, DataV2, Header, Kind};
use super::leaf::CHAINED_SCAN_STEP;
use super::measure::{after_levels, delta, encoding_of};
use super::thrift::Fault;
use crate::codec::{Codec, exactly};
use crate::error::TableError;
use crate::room::Held;
use crate::source::Source;

/// Largest page in memory.
const MAX_PAGE_BYTES: u32 = 64 * 1024 * 1024;
/// Largest page whose values are each made of the one before, which multiplies them.
const MAX_CHAINED_BYTES: u32 = 8 * 1024 * 1024;
/// Most values of a page whose column nests: a row may have all of them.
const MAX_NESTED_VALUES: u32 = 4 * 1024 * 1024;
/// Largest header.
const MAX_HEADER_BYTES: u64 = 1024 * 1024;
/// A chunk up to this size is read at once: on a network mount a read is a round trip.
const WHOLE_CHUNK_BYTES: u64 = 512 * 1024;
const HEADER_BYTES: u64 = 1024;
/// What a value of a decoded dictionary takes beside its bytes.
const DICTIONARY_VALUE_BYTES: u64 = 48;

/// The pages of a column chunk.
pub(super) struct Pages {
    source: Source,
    /// The chunk, where it was read at once, and where it begins.
    chunk: Option<(u64, Bytes)>,
    position: u64,
    end: u64,
    codec: Codec,
    next: Option<Header>,
    /// A dictionary that was read while pages were passed over.
    dictionary: Option<Page>,
    /// Values of data pages that are still to come.
    values_left: u64,
    has_dictionary: bool,
    chained: bool,
    /// The column's path, for errors.
    column: String,
    /// What the dictionary holds of the call's room.
    dictionary_held: Option<Held>,
    /// Values given since a reader began with its rows, where a row may have many.
    record_values: Arc<AtomicU64>,
    physical: Type,
    max_definition: i16,
    max_repetition: i16,
}

impl Pages {
    pub(super) fn new(
        source: &Source,
        column: &ColumnChunkMetaData,
    ) -> std::result::Result<Pages, TableError> {
        let offset = |offset: i64| {
            u64::try_from(offset).ok().filter(|offset| (4..source.size()).contains(offset))
        };
        let outside = || TableError::broken("a column's offset lies outside of the file");
        if column.file_path().is_some() {
            return Err(TableError::broken("a column lies in another file"));
        }
        let data = offset(column.data_page_offset()).ok_or_else(outside)?;
        let dictionary = column.dictionary_page_offset().filter(|offset| *offset > 0);
        let start = match dictionary {
            Some(dictionary) => offset(dictionary).ok_or_else(outside)?.min(data),
            None => data,
        };
        let length = u64::try_from(column.compressed_size()).map_err(|_| outside())?;
        let end = start.checked_add(length).filter(|end| *end <= source.size());
        let end = end.ok_or_else(outside)?;
        let chunk = if length <= WHOLE_CHUNK_BYTES {
            Some((start, Bytes::from(source.read_exact(start, length)?)))
        } else {
            None
        };
        let descriptor = column.column_descr();
        Ok(Pages {
            source: source.clone(),
            chunk,
            position: start,
            end,
            codec: codec_of(column)?,
            next: None,
            dictionary: None,
            values_left: u64::try_from(column.num_values()).unwrap_or(0),
            has_dictionary: false,
            chained: column.encodings().any(|encoding| encoding == Encoding::DELTA_BYTE_ARRAY),
            column: descriptor.path().string(),
            dictionary_held: None,
            record_values: Arc::default(),
            physical: descriptor.physical_type(),
            max_definition: descriptor.max_def_level(),
            max_repetition: descriptor.max_rep_level(),
        })
    }

    /// Whether its values may each be made of the one before.
    pub(super) fn chained(&self) -> bool {
        self.chained
    }

    /// The count of values that a reader sets to 0 before its next rows.
    pub(super) fn record_values(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.record_values)
    }

    /// The rows of the next data page, where its header tells. A dictionary before it is kept.
    pub(super) fn peek_past_dictionary(&mut self) -> std::result::Result<Option<u64>, TableError> {
        let mut header = self.header()?;
        if header.is_some_and(|header| matches!(header.kind, Kind::Dictionary { .. })) {
            self.dictionary = self.page()?;
            header = self.header()?;
        }
        Ok(header.and_then(|header| match header.kind {
            // Such a page begins and ends with whole rows.
            Kind::DataV2(data) => Some(data.rows.into()),
            Kind::Data(data) if self.max_repetition == 0 => Some(data.values.into()),
            _ => None,
        }))
    }

    /// Passes over the data page that was just looked at.
    pub(super) fn skip_data_page(&mut self) -> std::result::Result<(), TableError> {
        if let Some(header) = self.header()? {
            self.pass(&header);
        }
        Ok(())
    }

    fn bytes(&self, start: u64, length: u64) -> std::result::Result<Bytes, TableError> {
        if let Some((begin, chunk)) = &self.chunk {
            let from = usize::try_from(start.saturating_sub(*begin)).unwrap_or(usize::MAX);
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            let to = from.saturating_add(length).min(chunk.len());
            return Ok(if from <= to { chunk.slice(from..to) } else { Bytes::new() });
        }
        Ok(Bytes::from(self.source.read(start, length.min(self.end.saturating_sub(start)))?))
    }

    /// The header of the next page that matters, which `position` then stands at.
    fn header(&mut self) -> std::result::Result<Option<Header>, TableError> {
        loop {
            if self.next.is_some() {
                return Ok(self.next);
            }
            if self.position >= self.end || self.values_left == 0 {
                return Ok(None);
            }
            self.source.stop().check()?;
            let header = self.read_header()?;
            self.check(&header)?;
            // Some writers leave pages without values, which would look like the end.
            let is_dictionary = matches!(header.kind, Kind::Dictionary { .. });
            if header.values() == 0 && !is_dictionary {
                self.pass(&header);
                continue;
            }
            self.next = Some(header);
        }
    }

    fn read_header(&self) -> std::result::Result<Header, TableError> {
        let left = self.end - self.position;
        let mut length = HEADER_BYTES;
        loop {
            match Header::read(&self.bytes(self.position, length)?) {
                Ok(header) => {
                    let whole = header.length as u64 + u64::from(header.stored);
                    if whole > left {
                        return Err(TableError::broken("a page reaches beyond its column"));
                    }
                    return Ok(header);
                }
                Err(Fault::End) if length < left && length < MAX_HEADER_BYTES => length *= 16,
                Err(_) => return Err(TableError::broken("the header of a page is malformed")),
            }
        }
    }

    fn check(&self, header: &Header) -> std::result::Result<(), TableError> {
        let most = if self.chained { MAX_CHAINED_BYTES } else { MAX_PAGE_BYTES };
        if header.size > most || header.stored > MAX_PAGE_BYTES {
            return Err(TableError::broken(format!(
                "a page has {} bytes in memory; {most} are the most",
                header.size.max(header.stored)
            )));
        }
        if self.max_repetition > 0 && header.values() > MAX_NESTED_VALUES {
            return Err(TableError::broken(format!(
                "a page of a nested column has {} values; {MAX_NESTED_VALUES} are the most",
                header.values()
            )));
        }
        if u64::from(header.values()) > self.values_left {
            return Err(TableError::broken("a column has more values than it declares"));
        }
        if let Kind::Dictionary { values, .. } = header.kind {
            // Even a truth value takes a bit.
            if u64::from(values) > u64::from(header.size) * 8 {
                return Err(TableError::broken("a dictionary has more values than bits"));
            }
            if self.has_dictionary {
                return Err(TableError::broken("a column has two dictionaries"));
            }
        }
        Ok(())
    }

    /// Goes to what follows the page.
    fn pass(&mut self, header: &Header) {
        self.position += header.length as u64 + u64::from(header.stored);
        self.values_left -= u64::from(header.values());
        self.next = None;
    }

    fn page(&mut self) -> std::result::Result<Option<Page>, TableError> {
        let Some(header) = self.header()? else { return Ok(None) };
        self.source.decompress(u64::from(header.size))?;
        if self.max_repetition > 0 {
            // One row may go on over many pages, which cost nothing where its values are null.
            let values = u64::from(header.values());
            let before = self.record_values.fetch_add(values, Ordering::Relaxed);
            if before + values > 2 * u64::from(MAX_NESTED_VALUES) {
                let most = MAX_NESTED_VALUES as usize;
                return Err(TableError::TooMany(self.column.clone(), most));
            }
        }
        let held = self.hold(&header)?;
        // As it is stored; and decompressed, where a buffer that grows is there twice.
        let transient = u64::from(header.stored) + u64::from(header.size);
        let _transient = self.source.room().map(|room| room.hold(transient)).transpose()?;
        let stored = self.bytes(self.position + header.length as u64, u64::from(header.stored))?;
        if stored.len() as u64 != u64::from(header.stored) {
            return Err(TableError::broken("the file ends in the middle of a page"));
        }
        let page = match header.kind {
            Kind::Dictionary { values, encoding } => {
                self.has_dictionary = true;
                let buf = self.decompress(&stored, header.size)?;
                let encoding = encoding_of(encoding)?;
                // Decoded, it stays as long as the column is read.
                self.dictionary_held = held;
                Page::DictionaryPage { buf, num_values: values, encoding, is_sorted: false }
            }
            Kind::Data(data) => {
                self.data_page(data, kept(self.decompress(&stored, header.size)?, held))?
            }
            Kind::DataV2(data) => self.data_page_v2(data, &stored, header.size, held)?,
            Kind::Other => return Err(TableError::broken("a page is of no known kind")),
        };
        self.pass(&header);
        Ok(Some(page))
    }

    /// What a page holds of the call's room, as long as any value of it is there.
    fn hold(&self, header: &Header) -> std::result::Result<Option<Held>, TableError> {
        let Some(room) = self.source.room() else { return Ok(None) };
        let size = u64::from(header.size);
        let bytes = match header.kind {
            Kind::Dictionary { values, .. } => size + DICTIONARY_VALUE_BYTES * u64::from(values),
            // Each value may be as long as the page, and is a copy.
            _ if self.chained => size * (1 + CHAINED_SCAN_STEP as u64),
            _ => size,
        };
        room.hold(bytes).map(Some)
    }

    fn decompress(&self, stored: &Bytes, size: u32) -> std::result::Result<Bytes, TableError> {
        if self.codec == Codec::None {
            return if stored.len() as u64 == u64::from(size) {
                Ok(stored.clone())
            } else {
                Err(TableError::broken("a page is not as long as it declares"))
            };
        }
        exactly(self.codec, stored, size as usize).map(Bytes::from)
    }

    fn data_page(&self, data: Data, buf: Bytes) -> std::result::Result<Page, TableError> {
        let mut values = buf.clone();
        for (max, encoding) in
            [(self.max_repetition, data.repetition), (self.max_definition, data.definition)]
        {
            if max > 0 {
                values = after_levels(&values, max, encoding, data.values)?;
            }
        }
        let encoding = self.encoding(data.encoding, &values, data.values)?;
        Ok(Page::DataPage {
            buf,
            num_values: data.values,
            encoding,
            def_level_encoding: encoding_of(data.definition)?,
            rep_level_encoding: encoding_of(data.repetition)?,
            statistics: None,
        })
    }

    fn data_page_v2(
        &self,
        data: DataV2,
        stored: &Bytes,
        size: u32,
        held: Option<Held>,
    ) -> std::result::Result<Page, TableError> {
        let levels = u64::from(data.definition_bytes) + u64::from(data.repetition_bytes);
        let at = usize::try_from(levels).unwrap_or(usize::MAX);
        if at > stored.len() || levels > u64::from(size) || data.nulls > data.values {
            return Err(TableError::broken("the levels of a page reach beyond it"));
        }
        if self.max_repetition == 0 && data.rows != data.values || data.rows > data.values {
            return Err(TableError::broken("a page has another number of rows than of values"));
        }
        let buf = if data.plain || self.codec == Codec::None {
            self.decompress_none(stored, size)?
        } else {
            let (levels, values) = (stored.slice(..at), stored.slice(at..));
            let mut whole = levels.to_vec();
            let left = size as usize - at;
            if left > 0 || !values.is_empty() {
                whole.extend(exactly(self.codec, &values, left)?);
            }
            Bytes::from(whole)
        };
        let buf = kept(buf, held);
        let encoding = self.encoding(data.encoding, &buf.slice(at..), data.values)?;
        Ok(Page::DataPageV2 {
            buf,
            num_values: data.values,
            encoding,
            num_nulls: data.nulls,
            num_rows: data.rows,
            def_levels_byte_len: data.definition_bytes,
            rep_levels_byte_len: data.repetition_bytes,
            is_compressed: false,
            statistics: None,
        })
    }

    fn decompress_none(&self, stored: &Bytes, size: u32) -> std::result::Result<Bytes, TableError> {
        if stored.len() as u64 == u64::from(size) {
            Ok(stored.clone())
        } else {
            Err(TableError::broken("a page is not as long as it declares"))
        }
    }

    /// The encoding, after a look at what its decoder would make room for.
    fn encoding(
        &self,
        number: i32,
        values: &Bytes,
        most: u32,
    ) -> std::result::Result<Encoding, TableError> {
        let encoding = encoding_of(number)?;
        match encoding {
            Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY if !self.has_dictionary => {
                Err(TableError::broken("a page refers to a dictionary that is not there"))
            }
            Encoding::DELTA_BYTE_ARRAY if !self.chained => {
                Err(TableError::broken("a page has an encoding that its column does not declare"))
            }
            Encoding::DELTA_BYTE_ARRAY => {
                let suffixes = delta(values, most)?;
                delta(&values.slice(suffixes..), most)?;
                Ok(encoding)
            }
            Encoding::DELTA_LENGTH_BYTE_ARRAY | Encoding::DELTA_BINARY_PACKED => {
                delta(values, most)?;
                Ok(encoding)
            }
            Encoding::RLE if self.physical != Type::BOOLEAN => {
                Err(TableError::broken("a page has an encoding that its type does not have"))
            }
            _ => Ok(encoding),
        }
    }
}

impl Iterator for Pages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl PageReader for Pages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        if let Some(dictionary) = self.dictionary.take() {
            return Ok(Some(dictionary));
        }
        self.page().map_err(external)
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        if self.dictionary.is_some() {
            return Ok(Some(PageMetadata { num_rows: None, num_levels: None, is_dict: true }));
        }
        let header = self.header().map_err(external)?;
        Ok(header.map(|header| match header.kind {
            Kind::DataV2(data) => PageMetadata {
                num_rows: Some(data.rows as usize),
                num_levels: Some(data.values as usize),
                is_dict: false,
            },
            Kind::Data(data) => PageMetadata {
                num_rows: None,
                num_levels: Some(data.values as usize),
                is_dict: false,
            },
            Kind::Dictionary { .. } | Kind::Other => {
                PageMetadata { num_rows: None, num_levels: None, is_dict: true }
            }
        }))
    }

    fn skip_next_page(&mut self) -> Result<()> {
        if self.dictionary.take().is_some() {
            return Ok(());
        }
        if let Some(header) = self.header().map_err(external)? {
            self.pass(&header);
        }
        Ok(())
    }
}

/// Bytes that give back what they hold of the room when the last part of them goes.
fn kept(bytes: Bytes, held: Option<Held>) -> Bytes {
    struct Kept(Bytes, #[expect(dead_code, reason = "it is there to be dropped")] Held);
    impl AsRef<[u8]> for Kept {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    match held {
        Some(held) => Bytes::from_owner(Kept(bytes, held)),
        None => bytes,
    }
}

/// An error of ours on its way through the decoders.
fn external(error: TableError) -> ParquetError {
    ParquetError::External(Box::new(error))
}

fn codec_of(column: &ColumnChunkMetaData) -> std::result::Result<Codec, TableError> {
    use parquet::basic::Compression;
    Ok(match column.compression() {
        Compression::UNCOMPRESSED => Codec::None,
        Compression::SNAPPY => Codec::Snappy,
        Compression::GZIP(_) => Codec::Gzip,
        Compression::ZSTD(_) => Codec::Zstd,
        Compression::LZ4_RAW => Codec::Lz4,
        other => {
            return Err(TableError::broken(format!(
                "its compression is {other}, which is not understood here; snappy, gzip, zstd and \
                 LZ4_RAW are"
            )));
        }
    })
}
