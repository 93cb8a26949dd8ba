//! Jupyter notebooks as cells: sources and the text of outputs; images are named. A cell at a time
//! is looked at, and nothing but the text is kept.
use std::borrow::Cow;
use std::fmt::{self, Write};

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::error::TableError;

/// Longest text in bytes; what follows is left out.
pub(crate) const MAX_BYTES: usize = 16 * 1024 * 1024;

/// Whether a file of this name that begins with `head` is a notebook.
pub fn is_notebook(name: &str, head: &[u8]) -> bool {
    name.to_ascii_lowercase().ends_with(".ipynb")
        && head.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{')
}

/// The cells of a notebook as text.
pub(crate) fn text(json: &[u8]) -> Result<String, TableError> {
    let mut out = Out::default();
    let mut reader = serde_json::Deserializer::from_slice(json);
    reader
        .deserialize_map(Book(&mut out))
        .and_then(|()| reader.end())
        .map_err(|error| TableError::broken(format!("it is no JSON of a notebook: {error}")))?;
    if out.cells == 0 && !out.has_cells {
        return Err(TableError::broken("it has no list of cells"));
    }
    if out.full {
        let _ = writeln!(out.text, "[cut: the rest of the notebook is over {MAX_BYTES} bytes]");
    }
    Ok(out.text)
}

/// The text so far.
#[derive(Default)]
struct Out {
    text: String,
    cells: usize,
    has_cells: bool,
    full: bool,
}

impl Out {
    /// Adds text as it is, without sequences that colour a terminal.
    fn push(&mut self, mut part: &str) {
        while let Some(at) = part.find("\u{1b}[") {
            let (before, rest) = part.split_at_checked(at).unwrap_or((part, ""));
            self.add(before);
            let end = rest.get(2..).and_then(|rest| rest.find(|c: char| c.is_ascii_alphabetic()));
            part = end.and_then(|end| rest.get(end + 3..)).unwrap_or("");
        }
        self.add(part);
    }

    fn add(&mut self, part: &str) {
        if self.text.len() + part.len() > MAX_BYTES {
            self.full = true;
        }
        if !self.full {
            self.text.push_str(part);
        }
    }

    /// Ends the line, where one is open.
    fn end_line(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with('\n') && !self.full {
            self.text.push('\n');
        }
    }

    fn line(&mut self, line: &str) {
        self.end_line();
        self.add(line);
        self.end_line();
    }

    /// Adds a text of JSON: a string, or a list of them.
    fn json(&mut self, text: Option<&RawValue>) {
        let Some(text) = text else { return };
        let mut reader = serde_json::Deserializer::from_str(text.get());
        // What is neither says nothing.
        let _ = reader.deserialize_any(Texts(self));
    }
}

struct Book<'o>(&'o mut Out);

impl<'de> Visitor<'de> for Book<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a notebook")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<Cow<'_, str>>()? {
            if key == "cells" {
                self.0.has_cells = true;
                map.next_value_seed(Seed(&mut *self.0, Cells))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

/// What is made of the items of a list.
trait Item {
    fn add<'de, A: SeqAccess<'de>>(out: &mut Out, items: &mut A) -> Result<bool, A::Error>;
}

/// A list, whose items are taken one by one.
struct Seed<'o, I>(&'o mut Out, I);

impl<'de, I: Item> serde::de::DeserializeSeed<'de> for Seed<'_, I> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, list: D) -> Result<(), D::Error> {
        list.deserialize_seq(self)
    }
}

impl<'de, I: Item> Visitor<'de> for Seed<'_, I> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while I::add(self.0, &mut items)? {}
        Ok(())
    }
}

struct Cells;

#[derive(Deserialize)]
struct Cell<'a> {
    #[serde(borrow, default)]
    cell_type: Option<Cow<'a, str>>,
    #[serde(default)]
    execution_count: Option<u64>,
    #[serde(borrow, default)]
    source: Option<&'a RawValue>,
    #[serde(borrow, default)]
    outputs: Option<&'a RawValue>,
}

impl Item for Cells {
    fn add<'de, A: SeqAccess<'de>>(out: &mut Out, items: &mut A) -> Result<bool, A::Error> {
        let Some(cell) = items.next_element::<Cell<'de>>()? else { return Ok(false) };
        out.cells += 1;
        let mut heading = format!("[cell {}", out.cells);
        // Writing to a String cannot fail.
        let _ = write!(heading, " · {}", cell.cell_type.as_deref().unwrap_or("of no type"));
        if let Some(count) = cell.execution_count {
            let _ = write!(heading, " · run {count}");
        }
        heading.push(']');
        out.line(&heading);
        out.json(cell.source);
        out.end_line();
        if let Some(outputs) = cell.outputs.filter(|outputs| outputs.get() != "[]") {
            out.line("[output]");
            let list = serde::de::DeserializeSeed::deserialize(
                Seed(out, Outputs),
                &mut serde_json::Deserializer::from_str(outputs.get()),
            );
            if list.is_err() {
                out.line("[it is no list of outputs]");
            }
        }
        Ok(true)
    }
}

struct Outputs;

#[derive(Deserialize)]
struct Output<'a> {
    #[serde(borrow, default)]
    text: Option<&'a RawValue>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(borrow, default)]
    ename: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    evalue: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    traceback: Option<&'a RawValue>,
}

impl Item for Outputs {
    fn add<'de, A: SeqAccess<'de>>(out: &mut Out, items: &mut A) -> Result<bool, A::Error> {
        let Some(output) = items.next_element::<Output<'de>>()? else { return Ok(false) };
        out.json(output.text);
        out.end_line();
        if let Some(data) = output.data {
            let mut reader = serde_json::Deserializer::from_str(data.get());
            let _ = reader.deserialize_map(Data(out));
            out.end_line();
        }
        if let Some(name) = &output.ename {
            out.json(output.traceback);
            let value = output.evalue.as_deref().unwrap_or_default();
            out.line(&format!("[error] {name}: {value}"));
        }
        Ok(true)
    }
}

/// One output in several forms.
struct Data<'o>(&'o mut Out);

impl<'de> Visitor<'de> for Data<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an output")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(kind) = map.next_key::<Cow<'_, str>>()? {
            let value = map.next_value::<&RawValue>()?;
            if kind == "text/plain" {
                self.0.json(Some(value));
                self.0.end_line();
            } else {
                self.0.line(&format!("[{kind} · {} bytes · not shown]", value.get().len()));
            }
        }
        Ok(())
    }
}

struct Texts<'o>(&'o mut Out);

impl<'de> Visitor<'de> for Texts<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a text or a list of texts")
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.0.push(text);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut texts: A) -> Result<(), A::Error> {
        while let Some(text) = texts.next_element::<Cow<'_, str>>()? {
            self.0.push(&text);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_shown_with_the_text_of_their_outputs() {
        let json = r##"{"cells": [
            {"cell_type": "markdown", "metadata": {}, "source": ["# Title\n", "text"]},
            {"cell_type": "code", "execution_count": 3, "source": "1 / 0", "outputs": [
                {"output_type": "stream", "name": "stdout", "text": ["a\n", "b\n"]},
                {"output_type": "display_data", "data": {"image/png": "iVBORw0K", "text/plain": "<Figure>"}},
                {"output_type": "error", "ename": "ZeroDivisionError", "evalue": "division by zero",
                 "traceback": ["\u001b[0;31mline 1\u001b[0m"]}]}],
            "nbformat": 4}"##;
        assert_eq!(
            text(json.as_bytes()).unwrap(),
            "[cell 1 · markdown]\n# Title\ntext\n[cell 2 · code · run 3]\n1 / 0\n[output]\na\nb\n\
             [image/png · 10 bytes · not shown]\n<Figure>\nline 1\n\
             [error] ZeroDivisionError: division by zero\n"
        );
    }

    #[test]
    fn many_cells_are_cut_and_what_is_none_is_refused() {
        let many = format!("{{\"cells\": [{}{{}}]}}", "{},".repeat(1_000_000));
        let text = text(many.as_bytes()).unwrap();
        assert!(text.len() < MAX_BYTES + 100 && text.ends_with("bytes]\n"), "{}", text.len());
        for json in ["{}", "[]", "{\"cells\": 5}", "{\"cells\": [", "{\"cells\": [5]}"] {
            assert!(super::text(json.as_bytes()).is_err(), "{json}");
        }
        let deep = format!(
            "{{\"cells\": [{{\"source\": {}1{}}}]}}",
            "[".repeat(100_000),
            "]".repeat(100_000)
        );
        let _ = super::text(deep.as_bytes());
    }
}
