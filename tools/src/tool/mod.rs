//! What every tool is, and [`catalog`], the only list of them.

pub(crate) mod arguments;
mod cursor;
mod page_end;
mod selection;

use std::sync::{LazyLock, OnceLock};

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::adjusted::Adjusted;
use crate::answer::{Answer, Shown};
use crate::call::Call;
use crate::error::{Situation, ToolError};
use crate::path::WorkspacePath;
use crate::policy::{Access, Layout, Policy, PolicyError, ToolAccess};
use crate::schema;
use crate::schema::shape::Shape;
use crate::workspace::Scope;

use arguments::Habits;

pub mod grep;
pub mod list_dir;
pub mod list_findings;
pub mod list_proposals;
pub mod propose_patch;
#[cfg(feature = "data")]
pub mod query_table;
pub mod read_file;
pub mod read_state;
pub mod write_file;
pub mod write_finding;
pub mod write_state;

/// Every tool, in the order in which clients see them. Adding a tool is one line here.
pub fn catalog() -> &'static [Entry] {
    static CATALOG: LazyLock<Vec<Entry>> = LazyLock::new(|| {
        vec![
            Entry::of::<list_dir::ListDir>(),
            Entry::of::<read_file::ReadFile>(),
            Entry::of::<grep::Grep>(),
            Entry::of::<write_finding::WriteFinding>(),
            Entry::of::<list_findings::ListFindings>(),
            Entry::of::<propose_patch::ProposePatch>(),
            Entry::of::<list_proposals::ListProposals>(),
            Entry::of::<write_file::WriteFile>(),
            Entry::of::<read_state::ReadState>(),
            Entry::of::<write_state::WriteState>(),
            // Last, so that the tools before it are those of every build.
            #[cfg(feature = "data")]
            Entry::of::<query_table::QueryTable>(),
        ]
    });
    &CATALOG
}

/// The catalog's entry of that name.
pub fn find(name: &str) -> Option<&'static Entry> {
    catalog().iter().find(|entry| entry.name == name)
}

/// The names of the catalog's tools, in its order.
pub fn names() -> Vec<&'static str> {
    catalog().iter().map(|entry| entry.name).collect()
}

/// The tools that only some builds have (feature `data`), and what a call of each is judged by. A policy
/// may name them everywhere, so that one file serves both builds.
const OF_SOME_BUILDS: [ToolAccess; 1] = [ToolAccess { name: "query_table", access: Access::Read }];

/// The tools that a server offers: those of the [`catalog`], and those that a program adds.
#[derive(Clone)]
pub struct Catalog(Vec<&'static Entry>);

impl Default for Catalog {
    fn default() -> Self {
        Catalog(catalog().iter().collect())
    }
}

impl Catalog {
    /// Adds a tool behind the others.
    #[must_use]
    pub fn with(mut self, tool: &'static Entry) -> Catalog {
        self.0.push(tool);
        self
    }

    /// The tools, in the order in which clients see them.
    pub fn iter(&self) -> impl Iterator<Item = &'static Entry> {
        self.0.iter().copied()
    }

    /// The tool of that name.
    pub fn find(&self, name: &str) -> Option<&'static Entry> {
        self.iter().find(|entry| entry.name == name)
    }

    /// Reads, checks and compiles a policy over these tools. `file` names it in errors.
    ///
    /// # Errors
    /// All that is wrong with it, each with its place and the fix.
    pub fn policy(&self, text: &str, file: &str) -> Result<Policy, Vec<PolicyError>> {
        let access = |entry: &Entry| ToolAccess { name: entry.name, access: entry.access };
        let mut tools: Vec<ToolAccess> = self.iter().map(access).collect();
        for other in OF_SOME_BUILDS {
            if self.find(other.name).is_none() {
                tools.push(other);
            }
        }
        Policy::parse_for(&tools, text, file)
    }
}

// Beside the catalog and not in `policy`, which knows no tool.
impl Policy {
    /// Reads, checks and compiles a policy over the tools of the [`catalog`]. `file` names it in
    /// errors.
    ///
    /// # Errors
    /// All that is wrong with it, each with its place and the fix.
    pub fn parse(text: &str, file: &str) -> Result<Policy, Vec<PolicyError>> {
        Catalog::default().policy(text, file)
    }
}

/// Whether a tool only reads, or adds records and files beside the sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Reads and changes nothing.
    Reads,
    /// Adds a record, or a file, beside the sources; these stay as they are.
    Records,
}

/// Another name of an argument: `(alias, name)`; `edits.old_string` is one inside of an argument.
pub type Alias = (&'static str, &'static str);

/// An argument of other tools, and what it says here: values of arguments by name, none of them
/// for what is done anyway, or nothing where it has no meaning. It sees all that is given.
pub type Foreign = (&'static str, Meaning);

/// What an argument of other tools says here.
pub type Meaning = fn(&Value, &Map<String, Value>) -> Option<Vec<(&'static str, Value)>>;

/// Another word for a text: `(argument, word in lower case, what it means)`.
pub type Synonym = (&'static str, &'static str, &'static str);

/// A tool: its types, its behaviour, and how its output is shown.
pub trait Tool {
    /// The name, `[a-z_]`, at most 64 characters.
    const NAME: &'static str;
    /// A short title for people.
    const TITLE: &'static str;
    /// What the model reads about it.
    const DESCRIPTION: &'static str;
    /// What a model is told of it before its first call, in the server's instructions: one or two
    /// sentences that name the tool and no other.
    const GUIDE: &'static str;
    /// Whether it reads or records.
    const EFFECT: Effect;
    /// What it does with the path that it is about: what a call of it is judged by.
    const ACCESS: Access;
    /// The argument that says what a call is about, for the audit record; none where the
    /// arguments do not name it by themselves, and the paths that were judged are recorded.
    const SUBJECT: Option<&'static str> = Some("path");
    /// Whether the same call again changes nothing more.
    const IDEMPOTENT: bool;
    /// Whether results carry structured content (and so an output schema).
    const STRUCTURED: bool;
    /// Other names that arguments are understood by.
    const ALIASES: &'static [Alias] = &[];
    /// Arguments of other tools that are understood, and are no argument here by another name.
    const FOREIGN: &'static [Foreign] = &[];
    /// Other words that values of text are understood by.
    const SYNONYMS: &'static [Synonym] = &[];
    /// The arguments that name something in the workspace, and are understood as callers write
    /// paths: `/README.md`, `'README.md'`, `workspace:///README.md`.
    const PATHS: &'static [&'static str] = &["path"];
    /// Whether `path` may be a glob, which is then taken as `glob`.
    const GLOB_IN_PATH: bool = false;
    /// The arguments of which null and an empty text are values; elsewhere they mean "not given".
    const MAY_BE_EMPTY: &'static [&'static str] = &[];
    /// The optional arguments that matter most, in order: hosts that allow a tool only a few
    /// parameters offer the required ones and these.
    const ESSENTIAL: &'static [&'static str] = &[];
    /// The arguments; their doc comments are the schema's descriptions.
    type Args: DeserializeOwned + JsonSchema;
    /// The output in its JSON form.
    type Output: Serialize + JsonSchema + Send + Sync + 'static;

    /// Does the work.
    ///
    /// # Errors
    /// A [`ToolError`] written for the model.
    fn run(scope: &Scope, args: Self::Args, call: &Call) -> Result<Self::Output, ToolError>;

    /// How a model sees the output.
    fn show(_output: &Self::Output) -> Shown {
        Shown::Json
    }

    /// Whether there is more than the output holds.
    fn is_partial(_output: &Self::Output) -> bool {
        false
    }

    /// The path that policy judges for what the [`Tool::SUBJECT`] says; none where a call without
    /// it is about no path.
    ///
    /// # Errors
    /// Where it can be no path.
    fn subject_path(
        _layout: &Layout,
        subject: Option<&str>,
    ) -> Result<Option<WorkspacePath>, ToolError> {
        Ok(Some(WorkspacePath::parse(subject.unwrap_or_default())?))
    }

    /// The folders that this caller's records would go to, for an operator who wants to know
    /// whether they can be written; none for a tool that writes no records.
    ///
    /// # Errors
    /// Where a role's name makes no path.
    fn folders(_scope: &Scope) -> Result<Vec<WorkspacePath>, ToolError> {
        Ok(Vec::new())
    }
}

/// A tool's work, on arguments that were read by its shape.
type Run = fn(&Entry, &Scope, Map<String, Value>, &Call) -> Result<Answer, ToolError>;

/// A tool without its types, as hosts and the dispatcher see it.
pub struct Entry {
    /// The name.
    pub name: &'static str,
    /// A short title for people.
    pub title: &'static str,
    /// What the model reads about it.
    pub description: &'static str,
    /// What a model is told of it before its first call.
    pub guide: &'static str,
    /// Whether it reads or records.
    pub effect: Effect,
    /// What a call of it is judged by.
    pub access: Access,
    /// Whether the same call again changes nothing more.
    pub idempotent: bool,
    /// Whether results carry structured content.
    pub structured: bool,
    /// The optional arguments that matter most, in order.
    pub essential: &'static [&'static str],
    subject: Option<&'static str>,
    subject_path: fn(&Layout, Option<&str>) -> Result<Option<WorkspacePath>, ToolError>,
    habits: Habits,
    input_shape: fn() -> Shape,
    output_schema: fn() -> Value,
    shape: OnceLock<Shape>,
    input: OnceLock<Value>,
    output: OnceLock<Value>,
    folders: fn(&Scope) -> Result<Vec<WorkspacePath>, ToolError>,
    run: Run,
}

impl Entry {
    /// The entry of a tool.
    pub const fn of<T: Tool>() -> Entry {
        Entry {
            name: T::NAME,
            title: T::TITLE,
            description: T::DESCRIPTION,
            guide: T::GUIDE,
            effect: T::EFFECT,
            access: T::ACCESS,
            idempotent: T::IDEMPOTENT,
            structured: T::STRUCTURED,
            essential: T::ESSENTIAL,
            subject: T::SUBJECT,
            subject_path: T::subject_path,
            habits: Habits::of::<T>(),
            input_shape: schema::of_input::<T::Args>,
            output_schema: schema::of_answer::<T::Output>,
            shape: OnceLock::new(),
            input: OnceLock::new(),
            output: OnceLock::new(),
            folders: T::folders,
            run: run::<T>,
        }
    }

    /// JSON Schema 2020-12 of the arguments, in the words that every client knows: a `type`,
    /// `properties`, `required`, `items`, `enum`, `description`, `minimum` and `maximum`.
    pub fn input_schema(&self) -> &Value {
        self.input.get_or_init(|| self.shape().to_schema())
    }

    /// What the arguments are, with what is taken beyond what a model is told.
    pub(crate) fn shape(&self) -> &Shape {
        self.shape.get_or_init(self.input_shape)
    }

    /// JSON Schema 2020-12 of the JSON output; none where results are text.
    pub fn output_schema(&self) -> Option<&Value> {
        self.structured.then(|| self.answer_schema())
    }

    /// JSON Schema 2020-12 of the JSON output, for hosts that return it whatever a model is shown.
    pub fn answer_schema(&self) -> &Value {
        self.output.get_or_init(self.output_schema)
    }

    /// What these arguments say that a call is about, in the caller's own words.
    pub fn subject<'a>(&self, arguments: &'a Value) -> Option<&'a str> {
        arguments::said(arguments, self.subject?, self.shape(), &self.habits)
    }

    /// Whether the arguments themselves say what a call is about.
    pub fn has_subject(&self) -> bool {
        self.subject.is_some()
    }

    /// Whether calls are about a path of the workspace.
    pub fn subject_is_path(&self) -> bool {
        self.subject == Some("path")
    }

    /// The folders that this caller's records would go to; none for a tool that writes none.
    ///
    /// # Errors
    /// Where a role's name makes no path.
    pub fn folders(&self, scope: &Scope) -> Result<Vec<WorkspacePath>, ToolError> {
        (self.folders)(scope)
    }

    /// Runs the tool on JSON arguments. Only the dispatcher calls this, so that every call is
    /// judged and recorded.
    ///
    /// # Errors
    /// A [`ToolError`] written for the model, wrong arguments included.
    pub fn run(&self, scope: &Scope, arguments: Value, call: &Call) -> Result<Answer, ToolError> {
        let subject = match self.effect {
            Effect::Reads => self.subject(&arguments).map(str::to_owned),
            Effect::Records => None,
        };
        let adjusted = Adjusted::default();
        let result = arguments::read(arguments, self.shape(), &self.habits, scope, &adjusted)
            .and_then(|read| (self.run)(self, scope, read, &call.clone().adjusting(&adjusted)))
            .map(|answer| answer.adjusted(adjusted.lines()));
        if result.is_err() && self.effect == Effect::Reads && scope.judgements().is_empty() {
            self.judge_unread(scope, subject.as_deref());
        }
        result
    }

    /// Judges what a reading call was about when it failed before it looked: the record of a call
    /// with a wrong argument tells as well whether the caller may read there.
    fn judge_unread(&self, scope: &Scope, subject: Option<&str>) {
        let meant = subject.filter(|_| self.subject_is_path());
        let meant = meant.and_then(|text| arguments::meant_path(scope, text));
        let subject = meant.as_deref().or(subject);
        match (self.subject_path)(scope.layout(), subject) {
            Ok(Some(path)) => {
                scope.judge(self.access, &path);
            }
            Err(error) => scope.refuse(error.message),
            Ok(None) => {}
        }
    }
}

fn run<T: Tool>(
    entry: &Entry,
    scope: &Scope,
    arguments: Map<String, Value>,
    call: &Call,
) -> Result<Answer, ToolError> {
    let args: T::Args = arguments::typed(arguments, entry.shape())?;
    let output = T::run(scope, args, call).map_err(with_next_step)?;
    let shown = T::show(&output);
    let partial = T::is_partial(&output);
    let mut answer = Answer::new(output, shown, partial);
    answer.structured = T::STRUCTURED;
    Ok(answer)
}

/// Tells a model what to do next, by the tools that it may have.
fn with_next_step(error: ToolError) -> ToolError {
    let step = match error.situation {
        _ if error.hint.is_some() => return error,
        None => return error,
        Some(Situation::Missing) => "list_dir shows what is there",
        Some(Situation::Directory) => "use list_dir to see what is in it",
        Some(Situation::File) => "use read_file to read it",
        Some(Situation::Link) => {
            "list_dir shows where it points; read that path if it is in the workspace"
        }
    };
    error.hint(step)
}
