//! A window of a table's rows, whatever its format.
use crate::cell::Cell;
use crate::error::TableError;

/// Most fields of a schema that are listed.
const MAX_FIELDS: usize = 1_000;
/// How deep a schema may nest.
pub(crate) const MAX_DEPTH: usize = 32;

/// A format of tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Apache Parquet.
    Parquet,
    /// An Avro object container file.
    Avro,
}

impl Kind {
    /// The format of a file that begins with `head`.
    pub fn of(head: &[u8]) -> Option<Kind> {
        match head {
            [b'P', b'A', b'R', b'1' | b'E', ..] => Some(Kind::Parquet),
            [b'O', b'b', b'j', 1, ..] => Some(Kind::Avro),
            _ => None,
        }
    }

    /// The name in answers.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Parquet => "parquet",
            Kind::Avro => "avro",
        }
    }

    /// The media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Kind::Parquet => "application/vnd.apache.parquet",
            Kind::Avro => "application/vnd.apache.avro",
        }
    }
}

/// Which rows are wanted, and at what cost.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// The first row, from 1; a negative number counts from the end. Never 0.
    pub offset: i64,
    /// Most rows, at least 1.
    pub limit: u64,
    /// Characters that the rows may cost; the first row is given, cut if need be.
    pub room: usize,
    /// What a row, as JSON, of that number costs of it.
    pub cost: fn(&str, i64) -> usize,
    /// Bytes of the file that may be read.
    pub budget: u64,
}

/// A column, or a field inside of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The path of names, joined by dots; `[]` stands for the items of a list.
    pub name: String,
    /// The type, such as `int64`, `decimal(10,2)` or `list<string>`.
    pub kind: String,
    /// Whether it may be null.
    pub nullable: bool,
}

/// Rows as they are given.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    /// Each with its JSON.
    pub rows: Vec<(Cell, String)>,
    /// Number of the first.
    pub first: u64,
    /// Whether rows follow.
    pub more: bool,
    /// What is missing, and why.
    pub notes: Vec<String>,
}

/// A table and a window of its rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// The columns.
    pub fields: Vec<Field>,
    /// Fields that are not listed.
    pub more_fields: usize,
    /// Rows of the whole file: as many, or at least as many.
    pub row_count: u64,
    /// Whether the rows were all counted.
    pub counted: bool,
    /// What else is worth knowing: row groups, compression, writer.
    pub about: Vec<String>,
    /// The window.
    pub rows: Rows,
}

/// What a schema is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Shape {
    Plain(String),
    Struct(Vec<(String, Shape, bool)>),
    List(Box<Shape>),
    Map(Box<Shape>, Box<Shape>),
}

impl Shape {
    pub(crate) fn plain(name: impl Into<String>) -> Shape {
        Shape::Plain(name.into())
    }

    pub(crate) fn name(&self) -> String {
        match self {
            Shape::Plain(name) => name.clone(),
            Shape::Struct(_) => "struct".to_owned(),
            Shape::List(items) => format!("list<{}>", items.name()),
            Shape::Map(keys, values) => format!("map<{}, {}>", keys.name(), values.name()),
        }
    }

    /// The fields one below the other, and how many were left out.
    pub(crate) fn fields(&self) -> (Vec<Field>, usize) {
        let (mut fields, mut more) = (Vec::new(), 0);
        match self {
            Shape::Struct(_) => self.list("", &mut fields, &mut more),
            other => {
                fields.push(Field { name: "value".to_owned(), kind: other.name(), nullable: false })
            }
        }
        (fields, more)
    }

    fn list(&self, prefix: &str, fields: &mut Vec<Field>, more: &mut usize) {
        match self {
            Shape::Plain(_) => {}
            Shape::List(items) => items.list(&format!("{prefix}[]"), fields, more),
            Shape::Map(_, values) => values.list(&format!("{prefix}{{}}"), fields, more),
            Shape::Struct(parts) => {
                for (name, shape, nullable) in parts {
                    let name =
                        if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
                    if fields.len() == MAX_FIELDS {
                        *more += 1;
                        continue;
                    }
                    fields.push(Field {
                        name: name.clone(),
                        kind: shape.name(),
                        nullable: *nullable,
                    });
                    shape.list(&name, fields, more);
                }
            }
        }
    }
}

/// Collects rows until they cost too much.
pub(crate) struct Page<'a> {
    window: &'a Window,
    left: usize,
    number: i64,
    rows: Vec<(Cell, String)>,
    full: bool,
}

impl Page<'_> {
    pub(crate) fn new(window: &Window, first: u64) -> Page<'_> {
        Page {
            window,
            left: window.room,
            number: i64::try_from(first).unwrap_or(i64::MAX),
            rows: Vec::new(),
            full: false,
        }
    }

    /// Takes a row, or says that there is no room for it.
    pub(crate) fn push(&mut self, mut row: Cell) -> bool {
        if self.is_full() {
            return false;
        }
        let mut json = row.json();
        let mut cost = (self.window.cost)(&json, self.number);
        if cost > self.left {
            if !self.rows.is_empty() {
                self.full = true;
                return false;
            }
            row.fit(self.window.room);
            json = row.json();
            cost = (self.window.cost)(&json, self.number);
        }
        self.left = self.left.saturating_sub(cost);
        self.number = self.number.saturating_add(1);
        self.rows.push((row, json));
        true
    }

    pub(crate) fn is_full(&self) -> bool {
        self.full || self.rows.len() as u64 >= self.window.limit
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(crate) fn len(&self) -> u64 {
        self.rows.len() as u64
    }

    pub(crate) fn rows(self) -> Vec<(Cell, String)> {
        self.rows
    }
}

/// The first row that is wanted, from 1, where so many rows are known to be there.
pub(crate) fn first_row(offset: i64, rows: u64) -> Result<u64, TableError> {
    if rows == 0 && offset.unsigned_abs() == 1 {
        return Ok(1);
    }
    let first = if offset > 0 {
        offset.unsigned_abs()
    } else {
        rows.saturating_sub(offset.unsigned_abs()).saturating_add(1)
    };
    if first > rows.max(1) || rows == 0 && offset > 0 {
        return Err(TableError::PastEnd(rows));
    }
    Ok(first)
}
