//! Puts rows together from the levels of their columns (Dremel's record assembly).
use super::leaf::Leaf;
use super::shape::{Content, Node};
use crate::cell::{Cell, Detail, Items};
use crate::error::TableError;

/// The value of `node` in the next row. `leaves` are the node's own.
pub(super) fn value(node: &Node, leaves: &mut [Leaf], detail: Detail) -> Result<Cell, TableError> {
    let (definition, _) = levels(leaves)?;
    if definition < node.definition && (node.optional || node.repeated) {
        pass(leaves)?;
        return Ok(if node.repeated { Cell::List(Vec::new()) } else { Cell::Null });
    }
    if !node.repeated {
        return content(node, leaves, detail);
    }
    let mut items = Items::new(detail);
    loop {
        items.push(content(node, leaves, detail)?);
        match leaves.first().and_then(Leaf::levels) {
            Some((_, repetition)) if repetition >= node.repetition => {}
            _ => return Ok(items.list()),
        }
    }
}

fn content(node: &Node, leaves: &mut [Leaf], detail: Detail) -> Result<Cell, TableError> {
    match &node.content {
        Content::Leaf => leaves.first_mut().and_then(Leaf::take).ok_or_else(short),
        Content::Group(nodes) => {
            let mut fields = Vec::new();
            let mut from = node.leaves.start;
            let mut rest = leaves;
            for child in nodes {
                let (own, after) = split(rest, child.leaves.end - from)?;
                from = child.leaves.end;
                fields.push((child.name.clone(), value(child, own, detail)?));
                rest = after;
            }
            Ok(Cell::Record(fields))
        }
        Content::List(child, wrapped) => {
            let Cell::List(items) = value(child, leaves, detail)? else { return Err(short()) };
            Ok(Cell::List(items.into_iter().map(|item| unwrap(item, *wrapped)).collect()))
        }
        Content::Map(child) => {
            let Cell::List(pairs) = value(child, leaves, detail)? else { return Err(short()) };
            Ok(map(pairs, detail))
        }
    }
}

/// The only field of a record that stands around an item of a list.
fn unwrap(item: Cell, wrapped: bool) -> Cell {
    match item {
        Cell::Record(mut fields) if wrapped && fields.len() == 1 => {
            fields.pop().map_or(Cell::Null, |(_, item)| item)
        }
        other => other,
    }
}

/// Pairs as one record, where all keys are texts, as names have to be.
fn map(pairs: Vec<Cell>, detail: Detail) -> Cell {
    let named = pairs.iter().all(|pair| match pair {
        Cell::Record(fields) => matches!(fields.as_slice(), [(_, Cell::Text(_)), _]),
        Cell::Text(_) => pairs.len() > detail.items(),
        _ => false,
    });
    if !named {
        return Cell::List(pairs);
    }
    let mut fields = Vec::new();
    for pair in pairs {
        match pair {
            Cell::Record(mut pair) => {
                if let (Some((_, value)), Some((_, Cell::Text(key)))) = (pair.pop(), pair.pop()) {
                    fields.push((key.into(), value));
                }
            }
            other => fields.push(("…".into(), other)),
        }
    }
    Cell::Record(fields)
}

fn levels(leaves: &[Leaf]) -> Result<(i16, i16), TableError> {
    leaves.first().and_then(Leaf::levels).ok_or_else(short)
}

/// Passes over one level of each leaf: nothing is there.
fn pass(leaves: &mut [Leaf]) -> Result<(), TableError> {
    for leaf in leaves {
        leaf.levels().ok_or_else(short)?;
        leaf.take();
    }
    Ok(())
}

fn split(leaves: &mut [Leaf], at: usize) -> Result<(&mut [Leaf], &mut [Leaf]), TableError> {
    leaves.split_at_mut_checked(at).ok_or_else(short)
}

fn short() -> TableError {
    TableError::broken("the columns of a nested field do not fit together")
}
