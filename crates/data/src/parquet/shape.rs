//! The tree of a schema, as rows are put together from it.
use std::ops::Range;
use std::sync::Arc;

use parquet::basic::{ConvertedType, LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::schema::types::Type;

use crate::table::Shape;

/// A field, and where its values are.
pub(super) struct Node {
    pub name: Arc<str>,
    pub content: Content,
    pub optional: bool,
    pub repeated: bool,
    /// The definition and repetition level from which on it is there.
    pub definition: i16,
    pub repetition: i16,
    /// Its columns among those of the file.
    pub leaves: Range<usize>,
}

pub(super) enum Content {
    Leaf,
    Group(Vec<Node>),
    /// A group around a repeated group; whether the items are wrapped once more.
    List(Box<Node>, bool),
    /// A group around repeated pairs.
    Map(Box<Node>),
}

impl Node {
    /// The node of a type below one with these levels. `next` is its first column.
    pub(super) fn new(kind: &Type, definition: i16, repetition: i16, next: &mut usize) -> Node {
        let info = kind.get_basic_info();
        let how = if info.has_repetition() { info.repetition() } else { Repetition::REQUIRED };
        let repeated = how == Repetition::REPEATED;
        let definition = definition + i16::from(how != Repetition::REQUIRED);
        let repetition = repetition + i16::from(repeated);
        let start = *next;
        let content = if kind.is_primitive() {
            *next += 1;
            Content::Leaf
        } else {
            let children: Vec<Node> = kind
                .get_fields()
                .iter()
                .map(|child| Node::new(child, definition, repetition, next))
                .collect();
            content(kind, children)
        };
        Node {
            name: kind.name().into(),
            content,
            optional: how == Repetition::OPTIONAL,
            repeated,
            definition,
            repetition,
            leaves: start..*next,
        }
    }
}

fn content(kind: &Type, mut children: Vec<Node>) -> Content {
    let info = kind.get_basic_info();
    let converted = info.converted_type();
    let (list, map) = match info.logical_type_ref() {
        Some(LogicalType::List) => (true, false),
        Some(LogicalType::Map) => (false, true),
        _ => (
            converted == ConvertedType::LIST,
            matches!(converted, ConvertedType::MAP | ConvertedType::MAP_KEY_VALUE),
        ),
    };
    if children.len() != 1 || !children.iter().all(|child| child.repeated) {
        return Content::Group(children);
    }
    let Some(child) = children.pop() else { return Content::Group(children) };
    let inner = match &child.content {
        Content::Group(inner) => inner.len(),
        _ => 0,
    };
    if map && inner == 2 {
        return Content::Map(Box::new(child));
    }
    if list {
        // Older writers have no group of one field around each item.
        let own = &*child.name == "array" || *child.name == format!("{}_tuple", kind.name());
        let wrapped = inner == 1 && !own;
        return Content::List(Box::new(child), wrapped);
    }
    Content::Group(vec![child])
}

/// What a type looks like to people.
pub(super) fn shape(kind: &Type, node: &Node) -> Shape {
    let inner = match &node.content {
        Content::Leaf => Shape::plain(leaf_name(kind)),
        Content::Group(nodes) => structure(kind, nodes),
        Content::List(child, wrapped) => {
            let repeated = kind.get_fields().first();
            let item = repeated.map(|repeated| match (&child.content, wrapped) {
                (Content::Group(nodes), true) => {
                    match repeated.get_fields().first().zip(nodes.first()) {
                        Some((kind, node)) => shape(kind, node),
                        None => Shape::plain("unknown"),
                    }
                }
                (Content::Group(nodes), false) => structure(repeated, nodes),
                _ => Shape::plain(leaf_name(repeated)),
            });
            Shape::List(Box::new(item.unwrap_or_else(|| Shape::plain("unknown"))))
        }
        Content::Map(child) => {
            let parts = kind.get_fields().first().map(|pair| pair.get_fields());
            let mut shapes = Vec::new();
            if let Content::Group(nodes) = &child.content {
                for (kind, node) in parts.unwrap_or_default().iter().zip(nodes) {
                    shapes.push(shape(kind, node));
                }
            }
            let value = shapes.pop().unwrap_or_else(|| Shape::plain("unknown"));
            let key = shapes.pop().unwrap_or_else(|| Shape::plain("unknown"));
            Shape::Map(Box::new(key), Box::new(value))
        }
    };
    if node.repeated { Shape::List(Box::new(inner)) } else { inner }
}

fn structure(kind: &Type, nodes: &[Node]) -> Shape {
    let parts = kind.get_fields().iter().zip(nodes);
    Shape::Struct(
        parts
            .map(|(kind, node)| (kind.name().to_owned(), shape(kind, node), node.optional))
            .collect(),
    )
}

/// The name of a column's type.
fn leaf_name(kind: &Type) -> String {
    if !kind.is_primitive() {
        return "struct".to_owned();
    }
    let info = kind.get_basic_info();
    match info.logical_type_ref() {
        Some(LogicalType::Timestamp(timestamp)) => {
            let zone = if timestamp.is_adjusted_to_u_t_c { "UTC" } else { "no zone" };
            return format!("timestamp({}, {zone})", unit_name(&timestamp.unit));
        }
        Some(LogicalType::Time(time)) => return format!("time({})", unit_name(&time.unit)),
        Some(LogicalType::Integer(int)) => {
            return format!("{}int{}", if int.is_signed { "" } else { "u" }, int.bit_width);
        }
        Some(LogicalType::Decimal(decimal)) => {
            return format!("decimal({},{})", decimal.precision, decimal.scale);
        }
        Some(LogicalType::Float16) => return "float16".to_owned(),
        Some(LogicalType::Uuid) => return "uuid".to_owned(),
        _ => {}
    }
    match info.converted_type() {
        ConvertedType::UTF8 => "string".to_owned(),
        ConvertedType::ENUM => "enum".to_owned(),
        ConvertedType::JSON => "json".to_owned(),
        ConvertedType::DATE => "date".to_owned(),
        ConvertedType::DECIMAL => {
            format!("decimal({},{})", kind.get_precision(), kind.get_scale())
        }
        ConvertedType::TIME_MILLIS => "time(ms)".to_owned(),
        ConvertedType::TIME_MICROS => "time(us)".to_owned(),
        ConvertedType::TIMESTAMP_MILLIS => "timestamp(ms, UTC)".to_owned(),
        ConvertedType::TIMESTAMP_MICROS => "timestamp(us, UTC)".to_owned(),
        ConvertedType::NONE => match kind.get_physical_type() {
            Physical::BOOLEAN => "boolean".to_owned(),
            Physical::INT32 => "int32".to_owned(),
            Physical::INT64 => "int64".to_owned(),
            Physical::INT96 => "timestamp(ns, no zone)".to_owned(),
            Physical::FLOAT => "float".to_owned(),
            Physical::DOUBLE => "double".to_owned(),
            Physical::BYTE_ARRAY => "bytes".to_owned(),
            Physical::FIXED_LEN_BYTE_ARRAY => "bytes(fixed)".to_owned(),
        },
        other => other.to_string().to_lowercase().replace('_', ""),
    }
}

fn unit_name(unit: &TimeUnit) -> &'static str {
    match unit {
        TimeUnit::MILLIS => "ms",
        TimeUnit::MICROS => "us",
        TimeUnit::NANOS => "ns",
    }
}
