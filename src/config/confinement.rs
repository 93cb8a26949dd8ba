//! Whether the kernel confines a server, and what each one needs of the machine.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use mcp_workspace_lambda::RuntimeApi;

use super::{LambdaOptions, ReviewOptions, ServeOptions, StdioOptions, WorkspaceOptions};
use crate::caller::jwt::Source;
use crate::config::CallerOptions;
use crate::confinement::Reach;

/// Whether the kernel confines the server.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct ConfinementOptions {
    /// Whether the kernel lets the server reach its workspace, own files and own ports only
    /// (Landlock); `auto` where the kernel has it
    #[arg(long, value_enum, env = "MCP_WORKSPACE_CONFINEMENT",
          default_value_t = ConfinementChoice::Auto)]
    pub confinement: ConfinementChoice,
}

/// Whether the kernel confines the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ConfinementChoice {
    /// As far as the kernel can
    Auto,
    /// Not at all
    Off,
}

impl ConfinementOptions {
    /// The reach of a server over `root`; none where it is not confined.
    pub(crate) fn reach(self, workspace: &WorkspaceOptions, root: &Path) -> Option<Reach> {
        (self.confinement == ConfinementChoice::Auto)
            .then(|| Reach::of(root).reading(workspace.policy.as_deref()))
    }
}

impl CallerOptions {
    /// What it takes to prove callers. What is wrong with the settings is told where they are used.
    fn reached(&self, reach: Reach) -> Reach {
        match self.keys() {
            Ok(Some(Source::File(file))) => reach.watching(Some(&file)),
            Ok(Some(Source::Url(url))) => {
                let certificates = ["SSL_CERT_FILE", "SSL_CERT_DIR"];
                let reach = reach.asking(Some(url.port())).looking_up();
                certificates.iter().fold(reach, |reach, name| {
                    reach.reading(std::env::var_os(name).map(PathBuf::from).as_deref())
                })
            }
            _ => reach,
        }
    }
}

impl ServeOptions {
    /// What the HTTP server reaches, over the workspace that was named or unpacked.
    pub(crate) fn reach(&self) -> Option<Reach> {
        let reach = self.confinement.reach(&self.workspace, self.workspace.root_or_current())?;
        let reach = reach.reading(self.tokens.as_deref()).listening(self.listen.port());
        Some(self.callers.reached(reach))
    }
}

impl StdioOptions {
    /// What the server on stdin and stdout reaches.
    pub(crate) fn reach(&self) -> Option<Reach> {
        self.confinement.reach(&self.workspace, self.workspace.root_or_current())
    }
}

impl LambdaOptions {
    /// What the function reaches, which asks `api` for its invocations.
    pub(crate) fn reach(&self, api: &RuntimeApi) -> Option<Reach> {
        let root = self.workspace.workspace.as_deref().unwrap_or(Path::new(Self::MOUNT));
        let reach = self.confinement.reach(&self.workspace, root)?;
        let reach = reach.asking(api.port());
        let reach = if api.is_address() { reach } else { reach.looking_up() };
        Some(self.callers.reached(reach))
    }
}

impl ReviewOptions {
    /// What the page reaches; none over a URL, where it is a client with AWS credentials to find.
    pub(crate) fn reach(&self) -> Option<Reach> {
        if self.decider.url.url.is_some() {
            return None;
        }
        let workspace = &self.decider.workspace;
        let reach = self.confinement.reach(workspace, workspace.root_or_current())?;
        Some(reach.listening(self.listen.port()))
    }
}
