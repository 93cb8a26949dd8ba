//! What every tool is, and [`catalog`], the only list of them.

mod arguments;
mod cursor;
mod selection;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::answer::{Answer, Shown};
use crate::call::Call;
use crate::error::{Code, ToolError};
use crate::schema;
use crate::workspace::Scope;

pub mod grep;
pub mod list_dir;
pub mod propose_patch;
pub mod read_file;
pub mod read_state;
pub mod write_finding;
pub mod write_state;

/// Every tool, in the order in which clients see them. Adding a tool is one line here.
pub fn catalog() -> &'static [Entry] {
    static CATALOG: [Entry; 7] = [
        entry::<list_dir::ListDir>(),
        entry::<read_file::ReadFile>(),
        entry::<grep::Grep>(),
        entry::<write_finding::WriteFinding>(),
        entry::<propose_patch::ProposePatch>(),
        entry::<read_state::ReadState>(),
        entry::<write_state::WriteState>(),
    ];
    &CATALOG
}

/// The catalog's entry of that name.
pub fn find(name: &str) -> Option<&'static Entry> {
    catalog().iter().find(|entry| entry.name == name)
}

/// Whether a tool only reads, or adds records beside the sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Reads and changes nothing.
    Reads,
    /// Adds a record under the workspace's output; sources stay as they are.
    Records,
}

/// A tool: its types, its behaviour, and how its output is shown.
pub trait Tool {
    /// The name, `[a-z_]`, at most 64 characters.
    const NAME: &'static str;
    /// A short title for people.
    const TITLE: &'static str;
    /// What the model reads about it.
    const DESCRIPTION: &'static str;
    /// Whether it reads or records.
    const EFFECT: Effect;
    /// Whether the same call again changes nothing more.
    const IDEMPOTENT: bool;
    /// Whether results carry structured content (and so an output schema).
    const STRUCTURED: bool;
    /// Other names that arguments are understood by: `(alias, name)`.
    const ALIASES: &'static [(&'static str, &'static str)] = &[];
    /// The arguments of which null and an empty text are values; elsewhere they mean "not given".
    const MAY_BE_EMPTY: &'static [&'static str] = &[];
    /// The optional arguments that matter most, in order: hosts that allow a tool only a few
    /// parameters offer the required ones and these.
    const ESSENTIAL: &'static [&'static str] = &[];
    /// The arguments; their doc comments are the schema's descriptions.
    type Args: DeserializeOwned + JsonSchema;
    /// The output in its JSON form.
    type Output: Serialize + JsonSchema;

    /// Does the work.
    ///
    /// # Errors
    /// A [`ToolError`] written for the model.
    fn run(scope: &Scope, args: Self::Args, call: &Call) -> Result<Self::Output, ToolError>;

    /// How a model sees the output.
    fn show(_output: &Self::Output) -> Shown {
        Shown::Json
    }
}

/// A tool without its types, as hosts and the dispatcher see it.
pub struct Entry {
    /// The name.
    pub name: &'static str,
    /// A short title for people.
    pub title: &'static str,
    /// What the model reads about it.
    pub description: &'static str,
    /// Whether it reads or records.
    pub effect: Effect,
    /// Whether the same call again changes nothing more.
    pub idempotent: bool,
    /// Whether results carry structured content.
    pub structured: bool,
    /// The optional arguments that matter most, in order.
    pub essential: &'static [&'static str],
    input_schema: fn() -> Value,
    output_schema: fn() -> Value,
    run: fn(&Scope, Value, &Call) -> Result<Answer, ToolError>,
}

impl Entry {
    /// JSON Schema 2020-12 of the arguments.
    pub fn input_schema(&self) -> Value {
        (self.input_schema)()
    }

    /// JSON Schema 2020-12 of the JSON output; none where results are text.
    pub fn output_schema(&self) -> Option<Value> {
        self.structured.then(|| self.answer_schema())
    }

    /// JSON Schema 2020-12 of the JSON output, for hosts that return it whatever a model is shown.
    pub fn answer_schema(&self) -> Value {
        (self.output_schema)()
    }

    /// Runs the tool on JSON arguments. Only the dispatcher calls this, so that every call is
    /// judged and recorded.
    ///
    /// # Errors
    /// A [`ToolError`] written for the model, wrong arguments included.
    pub fn run(&self, scope: &Scope, arguments: Value, call: &Call) -> Result<Answer, ToolError> {
        (self.run)(scope, arguments, call)
    }
}

const fn entry<T: Tool>() -> Entry {
    Entry {
        name: T::NAME,
        title: T::TITLE,
        description: T::DESCRIPTION,
        effect: T::EFFECT,
        idempotent: T::IDEMPOTENT,
        structured: T::STRUCTURED,
        essential: T::ESSENTIAL,
        input_schema: schema::of_input::<T::Args>,
        output_schema: schema::of_output::<T::Output>,
        run: run::<T>,
    }
}

fn run<T: Tool>(scope: &Scope, arguments: Value, call: &Call) -> Result<Answer, ToolError> {
    let schema = schema::of_input::<T::Args>();
    let args: T::Args = arguments::parse(arguments, &schema, T::ALIASES, T::MAY_BE_EMPTY)?;
    let output = T::run(scope, args, call)?;
    let shown = T::show(&output);
    let json = serde_json::to_value(&output).map_err(|error| {
        ToolError::new(Code::Internal, "the answer could not be written as JSON").caused_by(error)
    })?;
    Ok(Answer { json, shown })
}
