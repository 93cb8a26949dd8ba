//! The header in front of each page.
use super::thrift::{Fault, I32, Reader, Result, STRUCT};

/// What a page is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Data(Data),
    DataV2(DataV2),
    Dictionary {
        values: u32,
        encoding: i32,
    },
    /// Nothing that rows are read from.
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Data {
    pub values: u32,
    pub encoding: i32,
    pub definition: i32,
    pub repetition: i32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct DataV2 {
    pub values: u32,
    pub nulls: u32,
    pub rows: u32,
    pub encoding: i32,
    pub definition_bytes: u32,
    pub repetition_bytes: u32,
    pub plain: bool,
}

/// A page's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub kind: Kind,
    /// Bytes of the page in memory.
    pub size: u32,
    /// Bytes of the page in the file, without this header.
    pub stored: u32,
    /// Bytes of this header.
    pub length: usize,
}

impl Header {
    /// Reads the header that `bytes` begin with.
    pub(super) fn read(bytes: &[u8]) -> Result<Header> {
        let mut reader = Reader::new(bytes);
        let (mut kind, mut size, mut stored, mut last) = (None, None, None, 0);
        let (mut data, mut data_v2, mut dictionary) = (None, None, None);
        while let Some((field, id)) = reader.field(&mut last)? {
            match (field, id) {
                (I32, 1) => kind = Some(reader.i32()?),
                (I32, 2) => size = Some(count(&mut reader)?),
                (I32, 3) => stored = Some(count(&mut reader)?),
                (STRUCT, 5) => data = Some(data_header(&mut reader)?),
                (STRUCT, 7) => dictionary = Some(dictionary_header(&mut reader)?),
                (STRUCT, 8) => data_v2 = Some(data_header_v2(&mut reader)?),
                (other, _) => reader.skip(other)?,
            }
        }
        let kind = match kind.ok_or(Fault::Malformed)? {
            0 => Kind::Data(data.ok_or(Fault::Malformed)?),
            2 => dictionary.ok_or(Fault::Malformed)?,
            3 => Kind::DataV2(data_v2.ok_or(Fault::Malformed)?),
            _ => Kind::Other,
        };
        Ok(Header {
            kind,
            size: size.ok_or(Fault::Malformed)?,
            stored: stored.ok_or(Fault::Malformed)?,
            length: reader.at(),
        })
    }

    /// The values that a data page holds, nulls included.
    pub(super) fn values(&self) -> u32 {
        match self.kind {
            Kind::Data(data) => data.values,
            Kind::DataV2(data) => data.values,
            Kind::Dictionary { .. } | Kind::Other => 0,
        }
    }
}

fn count(reader: &mut Reader) -> Result<u32> {
    u32::try_from(reader.i32()?).map_err(|_| Fault::Malformed)
}

fn data_header(reader: &mut Reader) -> Result<Data> {
    let (mut data, mut last) = (Data::default(), 0);
    while let Some((field, id)) = reader.field(&mut last)? {
        match (field, id) {
            (I32, 1) => data.values = count(reader)?,
            (I32, 2) => data.encoding = reader.i32()?,
            (I32, 3) => data.definition = reader.i32()?,
            (I32, 4) => data.repetition = reader.i32()?,
            (other, _) => reader.skip(other)?,
        }
    }
    Ok(data)
}

fn data_header_v2(reader: &mut Reader) -> Result<DataV2> {
    let (mut data, mut last) = (DataV2::default(), 0);
    while let Some((field, id)) = reader.field(&mut last)? {
        match (field, id) {
            (I32, 1) => data.values = count(reader)?,
            (I32, 2) => data.nulls = count(reader)?,
            (I32, 3) => data.rows = count(reader)?,
            (I32, 4) => data.encoding = reader.i32()?,
            (I32, 5) => data.definition_bytes = count(reader)?,
            (I32, 6) => data.repetition_bytes = count(reader)?,
            (super::thrift::FALSE, 7) => data.plain = true,
            (other, _) => reader.skip(other)?,
        }
    }
    Ok(data)
}

fn dictionary_header(reader: &mut Reader) -> Result<Kind> {
    let (mut values, mut encoding, mut last) = (0, 0, 0);
    while let Some((field, id)) = reader.field(&mut last)? {
        match (field, id) {
            (I32, 1) => values = count(reader)?,
            (I32, 2) => encoding = reader.i32()?,
            (other, _) => reader.skip(other)?,
        }
    }
    Ok(Kind::Dictionary { values, encoding })
}
