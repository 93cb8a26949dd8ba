//! XML of strangers, an event at a time: no event is longer than a bound, and no nesting deeper.
use std::io::{self, BufRead, BufReader, Read};

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use crate::error::TableError;

/// Longest tag or text between two tags, in bytes.
const MAX_EVENT_BYTES: usize = 1024 * 1024;
const MAX_DEPTH: usize = 256;
const BLOCK_BYTES: usize = 64 * 1024;

/// An XML document as it goes by.
pub(crate) struct Xml<R> {
    reader: Reader<Bounded<R>>,
    buffer: Vec<u8>,
    depth: usize,
}

impl<R: Read> Xml<R> {
    pub(crate) fn new(source: R) -> Xml<R> {
        let inner = BufReader::with_capacity(BLOCK_BYTES, source);
        let mut reader = Reader::from_reader(Bounded { inner, left: MAX_EVENT_BYTES });
        reader.config_mut().check_end_names = false;
        Xml { reader, buffer: Vec::new(), depth: 0 }
    }

    /// The next event.
    pub(crate) fn next(&mut self) -> Result<Event<'_>, TableError> {
        self.reader.get_mut().left = MAX_EVENT_BYTES;
        self.buffer.clear();
        let event = self.reader.read_event_into(&mut self.buffer).map_err(|error| match error {
            quick_xml::Error::Io(error) => TableError::broken(error.to_string()),
            other => TableError::broken(format!("its XML is damaged: {other}")),
        })?;
        match event {
            Event::Start(_) => self.depth += 1,
            Event::End(_) => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        if self.depth > MAX_DEPTH {
            return Err(TableError::broken(format!("its XML nests deeper than {MAX_DEPTH}")));
        }
        Ok(event)
    }

    /// What it is read from.
    pub(crate) fn source(&mut self) -> &mut R {
        self.reader.get_mut().inner.get_mut()
    }
}

/// An attribute of an element, whatever its prefix.
pub(crate) fn attribute(element: &BytesStart<'_>, name: &str) -> Option<String> {
    element.attributes().with_checks(false).flatten().find_map(|attribute| {
        let found = attribute.key.local_name().into_inner() == name;
        found.then(|| {
            let value = attribute.normalized_value(XmlVersion::Implicit1_0);
            value.map_or_else(|_| attribute.value.to_string(), |value| value.into_owned())
        })
    })
}

/// Adds what an event says as text: characters, and those that have a name or a number.
pub(crate) fn add_text(event: &Event<'_>, text: &mut String) {
    match event {
        Event::Text(part) => text.push_str(&part.xml10_content()),
        Event::CData(part) => text.push_str(&part.xml10_content()),
        Event::GeneralRef(name) => {
            let known = match name.xml10_content().as_ref() {
                "lt" => Some('<'),
                "gt" => Some('>'),
                "amp" => Some('&'),
                "quot" => Some('"'),
                "apos" => Some('\''),
                _ => name.resolve_char_ref().ok().flatten(),
            };
            text.push(known.unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        _ => {}
    }
}

/// A source of which an event takes no more than a bound.
struct Bounded<R> {
    inner: BufReader<R>,
    left: usize,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

impl<R: Read> BufRead for Bounded<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.left == 0 {
            return Err(io::Error::other(format!(
                "a part of its XML is longer than {MAX_EVENT_BYTES} bytes"
            )));
        }
        let block = self.inner.fill_buf()?;
        Ok(block.get(..self.left).unwrap_or(block))
    }

    fn consume(&mut self, bytes: usize) {
        self.left = self.left.saturating_sub(bytes);
        self.inner.consume(bytes);
    }
}
