//! The objects of a PDF file. They are found by going through the file from its beginning, the last
//! one of a number counts, and tables of their places are not believed.
use std::collections::{HashMap, HashSet};

use mcp_workspace_stop::StopSignal;

use super::filter::decode;
use super::object::{Dict, Lexer, Object};
use crate::error::TableError;
use crate::room::{Held, Room};

/// Most objects of a file.
const MAX_OBJECTS: usize = 500_000;
/// Most pages of a file.
const MAX_PAGES: usize = 50_000;
/// How deep the tree of pages may be, and how often a reference may lead to another.
const MAX_STEPS: usize = 64;
/// Largest stream of objects, and largest stream of a page, in bytes.
pub(super) const MAX_STREAM_BYTES: usize = 8 * 1024 * 1024;

/// Where an object stands.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// In the file.
    File(usize),
    /// In a decoded stream of objects.
    Packed(usize, usize),
}

/// A file.
pub(super) struct File {
    bytes: Vec<u8>,
    places: HashMap<u32, Place>,
    packed: Vec<Vec<u8>>,
    root: Option<u32>,
    encrypted: bool,
    stop: StopSignal,
    room: Room,
    held: Vec<Held>,
}

/// A stream: its dictionary, and where its bytes stand.
struct Raw {
    dict: Dict,
    start: usize,
    end: usize,
}

impl File {
    /// Finds the objects.
    pub(super) fn open(bytes: Vec<u8>, room: &Room, stop: &StopSignal) -> Result<File, TableError> {
        let mut file = File {
            bytes,
            places: HashMap::new(),
            packed: Vec::new(),
            root: None,
            encrypted: false,
            stop: stop.clone(),
            room: room.clone(),
            held: Vec::new(),
        };
        file.find()?;
        if file.encrypted {
            return Err(TableError::broken("it is encrypted"));
        }
        Ok(file)
    }

    fn find(&mut self) -> Result<(), TableError> {
        let mut at = 0;
        while let Some((found, is_object)) = self.next_mark(at) {
            self.stop.check()?;
            at = found;
            if !is_object {
                // A trailer: `trailer << … >>`.
                let mut lexer = Lexer::new(&self.bytes, at);
                if let Some(Object::Dict(dict)) = lexer.next() {
                    at = lexer.at;
                    self.trailer(&dict);
                }
                continue;
            }
            let Some(number) = self.number_before(at - 3) else { continue };
            let mut lexer = Lexer::new(&self.bytes, at);
            let object = lexer.next();
            let after = lexer.at;
            lexer.skip_space();
            let stream = lexer.is_at(b"stream").then_some(lexer.at);
            self.put(number, Place::File(at))?;
            if let (Some(Object::Dict(dict)), Some(stream)) = (object, stream) {
                let raw = self.raw(dict, stream);
                at = raw.end;
                match raw.dict.get("Type").and_then(Object::name) {
                    Some("ObjStm") => self.unpack(&raw)?,
                    Some("XRef") => self.trailer(&raw.dict),
                    _ => {}
                }
                continue;
            }
            at = after.max(at);
        }
        Ok(())
    }

    /// The place behind the next `obj` or `trailer`, and whether it is an object's.
    fn next_mark(&self, from: usize) -> Option<(usize, bool)> {
        let rest = self.bytes.get(from..)?;
        let mut at = 0;
        loop {
            let found = memchr::memchr2(b'o', b't', rest.get(at..)?)? + at;
            let here = rest.get(found..)?;
            if here.starts_with(b"obj") && found > 0 && rest.get(found - 1) != Some(&b'd') {
                return Some((from + found + 3, true));
            }
            if here.starts_with(b"trailer") {
                return Some((from + found + 7, false));
            }
            at = found + 1;
        }
    }

    /// The number of the object whose `obj` stands at `at`: `12 0 obj`.
    fn number_before(&self, at: usize) -> Option<u32> {
        let before = self.bytes.get(at.saturating_sub(24)..at)?;
        let text: String = before.iter().map(|byte| char::from(*byte)).collect();
        let mut words = text.split_ascii_whitespace().rev();
        words.next()?.parse::<u32>().ok()?;
        let number = words.next()?;
        let digits = number.rsplit(|c: char| !c.is_ascii_digit()).next()?;
        digits.parse().ok()
    }

    fn put(&mut self, number: u32, place: Place) -> Result<(), TableError> {
        self.places.insert(number, place);
        if self.places.len() > MAX_OBJECTS {
            return Err(TableError::broken(format!("it has more than {MAX_OBJECTS} objects")));
        }
        Ok(())
    }

    fn trailer(&mut self, dict: &Dict) {
        if let Some(Object::Ref(root)) = dict.get("Root") {
            self.root = Some(*root);
        }
        self.encrypted |= dict.contains_key("Encrypt");
    }

    /// The stream whose dictionary was read and whose `stream` stands at `at`.
    fn raw(&self, dict: Dict, at: usize) -> Raw {
        let mut start = at + 6;
        if self.bytes.get(start) == Some(&b'\r') {
            start += 1;
        }
        if self.bytes.get(start) == Some(&b'\n') {
            start += 1;
        }
        let start = start.min(self.bytes.len());
        let said = dict.get("Length").and_then(|length| match length {
            // The length may stand further on; then the end is looked for.
            Object::Ref(number) if self.places.contains_key(number) => self.get(*number)?.whole(),
            other => other.whole(),
        });
        let ends_there = |length: usize| {
            let mut lexer = Lexer::new(&self.bytes, start.saturating_add(length));
            lexer.skip_space();
            lexer.is_at(b"endstream")
        };
        let said = said.and_then(|length| usize::try_from(length).ok());
        let end = match said.filter(|length| ends_there(*length)) {
            Some(length) => start + length,
            None => {
                let rest = self.bytes.get(start..).unwrap_or_default();
                let end = memchr::memmem::find(rest, b"endstream");
                start + end.unwrap_or(rest.len())
            }
        };
        Raw { dict, start, end }
    }

    /// Takes the objects of a stream of objects.
    fn unpack(&mut self, raw: &Raw) -> Result<(), TableError> {
        let bytes = self.bytes.get(raw.start..raw.end).unwrap_or_default();
        let Some(decoded) = decode(&raw.dict, bytes, MAX_STREAM_BYTES)? else {
            return Err(TableError::broken("its objects are encoded in a way that is not read"));
        };
        self.held.push(self.room.hold(decoded.len() as u64)?);
        let whole = |key: &str| raw.dict.get(key).and_then(Object::whole);
        let (count, first) = (whole("N").unwrap_or(0), whole("First").unwrap_or(0));
        let first = usize::try_from(first).unwrap_or(usize::MAX);
        let index = self.packed.len();
        let mut lexer = Lexer::new(&decoded, 0);
        let mut places = Vec::new();
        for _ in 0..count.min(u32::try_from(MAX_OBJECTS).unwrap_or(u32::MAX)) {
            let number = lexer.next().and_then(|number| number.whole());
            let offset = lexer.next().and_then(|offset| offset.whole());
            let (Some(number), Some(offset)) = (number, offset) else { break };
            let offset = usize::try_from(offset).unwrap_or(usize::MAX);
            places.push((number, Place::Packed(index, first.saturating_add(offset))));
        }
        self.packed.push(decoded);
        places.into_iter().try_for_each(|(number, place)| self.put(number, place))
    }

    /// What is kept draws from it.
    pub(super) fn room(&self) -> &Room {
        &self.room
    }

    /// Whether the call goes on.
    pub(super) fn check(&self) -> Result<(), TableError> {
        Ok(self.stop.check()?)
    }

    /// The object of a number.
    pub(super) fn get(&self, number: u32) -> Option<Object> {
        match *self.places.get(&number)? {
            Place::File(at) => Lexer::new(&self.bytes, at).next(),
            Place::Packed(stream, at) => Lexer::new(self.packed.get(stream)?, at).next(),
        }
    }

    /// The object that is meant: what a reference leads to.
    pub(super) fn follow(&self, object: &Object) -> Object {
        let mut object = object.clone();
        for _ in 0..MAX_STEPS {
            match object {
                Object::Ref(number) => object = self.get(number).unwrap_or(Object::Null),
                other => return other,
            }
        }
        Object::Null
    }

    /// What a key of a dictionary means.
    pub(super) fn of(&self, dict: &Dict, key: &str) -> Object {
        dict.get(key).map_or(Object::Null, |object| self.follow(object))
    }

    /// The dictionary that a key means.
    pub(super) fn dict_of(&self, dict: &Dict, key: &str) -> Option<Dict> {
        match self.of(dict, key) {
            Object::Dict(dict) => Some(dict),
            _ => None,
        }
    }

    /// The stream of a number: its dictionary and what it holds, at most so many bytes; nothing
    /// for what is encoded as an image is.
    pub(super) fn stream(
        &self,
        number: u32,
        most: usize,
    ) -> Result<Option<(Dict, Vec<u8>)>, TableError> {
        self.stop.check()?;
        let Some(raw) = self.raw_of(number) else { return Ok(None) };
        let bytes = self.bytes.get(raw.start..raw.end).unwrap_or_default();
        let mut dict = raw.dict;
        for key in ["Filter", "DecodeParms"] {
            if let Some(Object::Ref(_)) = dict.get(key) {
                let meant = self.of(&dict, key);
                dict.insert(key.to_owned(), meant);
            }
        }
        let decoded = decode(&dict, bytes, most)?;
        Ok(decoded.map(|decoded| (dict, decoded)))
    }

    /// The dictionary of the stream of a number.
    pub(super) fn stream_dict(&self, number: u32) -> Option<Dict> {
        self.raw_of(number).map(|raw| raw.dict)
    }

    fn raw_of(&self, number: u32) -> Option<Raw> {
        let Place::File(at) = *self.places.get(&number)? else { return None };
        let mut lexer = Lexer::new(&self.bytes, at);
        let Some(Object::Dict(dict)) = lexer.next() else { return None };
        lexer.skip_space();
        lexer.is_at(b"stream").then(|| self.raw(dict, lexer.at))
    }

    /// The pages in their order, by the numbers of their objects.
    pub(super) fn pages(&self) -> Result<Vec<u32>, TableError> {
        let (mut pages, mut seen) = (Vec::new(), HashSet::new());
        let root = self.root.and_then(|root| match self.get(root) {
            Some(Object::Dict(root)) => root.get("Pages").cloned(),
            _ => None,
        });
        let mut open = match root {
            Some(Object::Ref(tree)) => vec![tree],
            _ => Vec::new(),
        };
        while let Some(number) = open.pop() {
            self.stop.check()?;
            // A page that stands in its own tree is looked at once.
            if !seen.insert(number) {
                continue;
            }
            let Some(Object::Dict(node)) = self.get(number) else { continue };
            match self.of(&node, "Kids") {
                Object::List(kids) => {
                    let kids = kids.iter().rev().filter_map(|kid| match kid {
                        Object::Ref(kid) => Some(*kid),
                        _ => None,
                    });
                    open.extend(kids);
                }
                _ => pages.push(number),
            }
            if pages.len() > MAX_PAGES || open.len() > MAX_OBJECTS {
                return Err(TableError::broken(format!("it has more than {MAX_PAGES} pages")));
            }
        }
        if pages.is_empty() {
            return Err(TableError::broken("it has no pages"));
        }
        Ok(pages)
    }

    /// The resources of a page, its own or those of the nodes above it.
    pub(super) fn resources(&self, page: &Dict) -> Dict {
        let mut node = page.clone();
        for _ in 0..MAX_STEPS {
            if let Some(resources) = self.dict_of(&node, "Resources") {
                return resources;
            }
            match self.dict_of(&node, "Parent") {
                Some(parent) => node = parent,
                None => break,
            }
        }
        Dict::new()
    }
}
