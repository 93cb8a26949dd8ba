//! The part of Thrift's compact protocol that page headers and the checks of a footer need.

/// How deep a header may nest.
const MAX_DEPTH: usize = 16;

/// Why something could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The bytes end before it does.
    End,
    /// It is malformed.
    Malformed,
}

pub(super) type Result<T> = std::result::Result<T, Fault>;

pub(super) const TRUE: u8 = 1;
pub(super) const FALSE: u8 = 2;
pub(super) const I32: u8 = 5;
pub(super) const LIST: u8 = 9;
pub(super) const STRUCT: u8 = 12;

/// Reads from the beginning of some bytes.
#[derive(Debug, Clone)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, at: 0 }
    }

    /// How many bytes were read.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn byte(&mut self) -> Result<u8> {
        let byte = self.bytes.get(self.at).ok_or(Fault::End)?;
        self.at += 1;
        Ok(*byte)
    }

    pub(super) fn pass(&mut self, count: u64) -> Result<()> {
        let left = (self.bytes.len() - self.at) as u64;
        if count > left {
            return Err(Fault::End);
        }
        self.at += usize::try_from(count).unwrap_or(0);
        Ok(())
    }

    pub(super) fn varint(&mut self) -> Result<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Fault::Malformed)
    }

    pub(super) fn zigzag(&mut self) -> Result<i64> {
        let value = self.varint()?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    pub(super) fn i32(&mut self) -> Result<i32> {
        i32::try_from(self.zigzag()?).map_err(|_| Fault::Malformed)
    }

    /// The next field of a struct: type and id; none at its end.
    pub(super) fn field(&mut self, last: &mut i16) -> Result<Option<(u8, i16)>> {
        let byte = self.byte()?;
        if byte & 0x0F == 0 {
            return Ok(None);
        }
        *last = match byte >> 4 {
            0 => i16::try_from(self.zigzag()?).map_err(|_| Fault::Malformed)?,
            delta => last.checked_add(i16::from(delta)).ok_or(Fault::Malformed)?,
        };
        Ok(Some((byte & 0x0F, *last)))
    }

    /// The beginning of a list: the type of its elements and how many there are.
    pub(super) fn list(&mut self) -> Result<(u8, u64)> {
        let byte = self.byte()?;
        let count = match byte >> 4 {
            15 => self.varint()?,
            count => u64::from(count),
        };
        Ok((byte & 0x0F, count))
    }

    /// Passes over a value.
    pub(super) fn skip(&mut self, kind: u8) -> Result<()> {
        self.skip_within(kind, MAX_DEPTH)
    }

    fn skip_within(&mut self, kind: u8, depth: usize) -> Result<()> {
        let depth = depth.checked_sub(1).ok_or(Fault::Malformed)?;
        match kind {
            TRUE | FALSE => Ok(()),
            3 => self.pass(1),
            4..=6 => self.varint().map(|_| ()),
            7 => self.pass(8),
            8 => {
                let length = self.varint()?;
                self.pass(length)
            }
            LIST | 10 => {
                let (kind, count) = self.list()?;
                // In a list, a truth value is a byte.
                let kind = if matches!(kind, TRUE | FALSE) { 3 } else { kind };
                for _ in 0..count {
                    self.skip_within(kind, depth)?;
                }
                Ok(())
            }
            STRUCT => {
                let mut last = 0;
                while let Some((kind, _)) = self.field(&mut last)? {
                    self.skip_within(kind, depth)?;
                }
                Ok(())
            }
            13 => self.pass(16),
            _ => Err(Fault::Malformed),
        }
    }
}
