//! Documents the tools for people: Markdown tables for README and `docs/tools.md`.

use std::fmt::Write;

use crate::schema::shape::{Kind, Property, Shape};
use crate::tool::{Effect, Entry};

/// One row a tool, each linking to its section on `page` (empty for the same page).
pub fn summary(tools: &[Entry], page: &str) -> String {
    let mut text = "| tool | what it does | changes |\n|---|---|---|\n".to_owned();
    for entry in tools {
        let name = entry.name;
        let does = cell(first_sentence(entry.description));
        line(&mut text, format_args!("| [`{name}`]({page}#{name}) | {does} | {} |", effect(entry)));
    }
    text
}

/// One section a tool: what the model reads about it, every argument, and the JSON answer.
pub fn details(tools: &[Entry]) -> String {
    let mut text = String::new();
    for entry in tools {
        line(&mut text, format_args!("## {}\n", entry.name));
        line(&mut text, format_args!("{}\n", entry.description.trim_end()));
        line(&mut text, format_args!("Changes: {}.\n", effect(entry)));
        line(&mut text, format_args!("| argument | type | meaning |\n|---|---|---|"));
        fields(&mut text, "", &super::input(entry), Marked::Required);
        line(&mut text, format_args!("\n| in the JSON answer | type | meaning |\n|---|---|---|"));
        fields(&mut text, "", &super::answer(entry), Marked::Optional);
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// Which fields a table marks: the fewer ones.
#[derive(Clone, Copy)]
enum Marked {
    Required,
    Optional,
}

fn fields(text: &mut String, before: &str, shape: &Shape, marked: Marked) {
    let required_first = |property: &&Property| match marked {
        Marked::Required => !property.required,
        Marked::Optional => false,
    };
    let mut properties: Vec<&Property> = shape.properties.iter().collect();
    properties.sort_by_key(required_first);
    for property in properties {
        let name = format!("{before}{}", property.name);
        let mark = match (marked, property.required) {
            (Marked::Required, true) => ", required",
            (Marked::Optional, false) => ", may be missing",
            _ => "",
        };
        let meaning = cell(property.shape.description.as_deref().unwrap_or_default());
        let kind = type_name(&property.shape);
        line(text, format_args!("| `{name}` | {kind}{mark} | {meaning} |"));
        match (&property.shape.kind, &property.shape.items) {
            (Kind::Object, _) => fields(text, &format!("{name}."), &property.shape, marked),
            (Kind::Array, Some(items)) => fields(text, &format!("{name}[]."), items, marked),
            _ => {}
        }
    }
}

fn type_name(shape: &Shape) -> String {
    match &shape.items {
        Some(items) => format!("array of {}", type_name(items)),
        None if shape.choices.is_empty() => shape.kind.as_str().to_owned(),
        None => {
            let choices: Vec<String> =
                shape.choices.iter().map(|choice| format!("`{choice}`")).collect();
            choices.join(" or ")
        }
    }
}

fn effect(entry: &Entry) -> &'static str {
    match (entry.effect, entry.idempotent) {
        (Effect::Reads, _) => "nothing",
        (Effect::Records, true) => "adds a record; the same call again adds nothing",
        (Effect::Records, false) => "adds a record",
    }
}

fn first_sentence(description: &str) -> &str {
    let line = description.lines().next().unwrap_or_default();
    line.split_once(". ").map_or(line, |(sentence, _)| sentence).trim_end_matches('.')
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn line(text: &mut String, written: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "{written}");
}
