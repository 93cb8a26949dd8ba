//! `mcp-workspace serve`: serves HTTP, and prints how to connect.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use include_dir::{Dir, include_dir};
use tokio::net::TcpListener;

use crate::config::{Opened, ServeOptions, read_text};
use crate::host::connections::MaxConnections;
use crate::host::http::{self, Access};
use crate::host::identity::{Proving, TokenNames};
use crate::metrics::Metrics;

/// The example project, inside the binary.
static EXAMPLE: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/examples/workspace");

/// Unpacks the bundled example where no workspace is named.
///
/// # Errors
/// When it cannot be unpacked.
pub(crate) fn settle(options: &mut ServeOptions) -> anyhow::Result<()> {
    if options.workspace.workspace.is_none() {
        options.workspace.workspace = Some(unpack_example()?);
        options.bundled = true;
    }
    Ok(())
}

/// Serves until the process is asked to stop.
///
/// # Errors
/// When the workspace, the policy, the tokens or the address cannot be had.
pub(crate) async fn run(options: ServeOptions) -> anyhow::Result<ExitCode> {
    let access = access(&options)?;
    let root = options.workspace.root_or_current();
    let (dispatcher, opened) = options.workspace.dispatcher(root)?;
    let listener = TcpListener::bind(options.listen).await.with_context(|| {
        format!("cannot listen on {}; choose another with --listen", options.listen)
    })?;
    let address = listener.local_addr().context("cannot read the listener's address")?;
    let url = format!("http://{address}/mcp");
    let proving = match access.proving {
        Proving::Loopback => ("local, no token", ""),
        Proving::Tokens(_) => ("bearer tokens", " --header \"Authorization: Bearer $TOKEN\""),
        Proving::Iam => ("IAM", ""),
        Proving::Jwt(_) => ("access tokens (OAuth); clients are told where to get them", ""),
    };
    // A closed stdout must not end the server.
    let _ = banner(&url, root, options.bundled, &opened, proving);
    // The banner's reader may be gone; whoever takes the audit records takes the metrics as well.
    let dispatcher = dispatcher.measured(options.metrics.to(Metrics::Stderr));
    http::serve(Arc::new(dispatcher), listener, access).await?;
    Ok(ExitCode::SUCCESS)
}

fn access(options: &ServeOptions) -> anyhow::Result<Access> {
    let proving = match (&options.tokens, options.callers.jwt()?) {
        (None, None) => Proving::Loopback,
        (Some(file), None) => Proving::Tokens(read_tokens(file)?),
        (None, Some(jwt)) => Proving::Jwt(Box::new(jwt)),
        (Some(_), Some(_)) => bail!(
            "--tokens and --jwt-issuer together: clients that find an OAuth issuer ignore a static \
             token. Keep one; for both kinds of client run two servers."
        ),
    };
    let ip = options.listen.ip();
    if !ip.is_loopback() {
        if matches!(proving, Proving::Loopback) {
            bail!(
                "refusing to listen on {} without bearer tokens: anybody on the network could read \
                 the workspace.\nMake one with `mcp-workspace token NAME`, put its line into a file \
                 and give --tokens FILE; or let an issuer prove callers with --jwt-issuer; or \
                 listen on 127.0.0.1.",
                options.listen
            );
        }
        if ip.is_unspecified() && options.allowed_host.is_empty() {
            bail!(
                "listening on {} needs --allowed-host NAME: the name under which clients reach the \
                 server (requests for other names are refused)",
                options.listen
            );
        }
    }
    Ok(Access {
        proving,
        delegation: options.callers.delegation()?,
        allowed_hosts: options.allowed_host.clone(),
        allowed_origins: options.allowed_origin.clone(),
        most: MaxConnections::new(
            options.max_connections.map(usize::from),
            options.max_connections_per_peer.map(usize::from),
        ),
    })
}

/// One `name sha256-hex` a line; `#` begins a comment.
fn read_tokens(file: &Path) -> anyhow::Result<TokenNames> {
    let mut names = TokenNames::new();
    for (number, line) in read_text(file)?.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let at = format!("{}:{}", file.display(), number + 1);
        let Some((name, hash)) = line.split_once(char::is_whitespace) else {
            bail!("{at}: a line is `name sha256-hex`; `mcp-workspace token NAME` prints one");
        };
        let hash = hash.trim().to_ascii_lowercase();
        if hash.len() != 64 || !hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            bail!("{at}: not a SHA-256 in hex; tokens are stored hashed, never as they are");
        }
        super::token::check_name(name).with_context(|| at.clone())?;
        if names.insert(hash, name.to_owned()).is_some() {
            bail!("{at}: the same token stands here twice");
        }
    }
    if names.is_empty() {
        bail!("{} holds no token; `mcp-workspace token NAME` prints a line for it", file.display());
    }
    Ok(names)
}

fn unpack_example() -> anyhow::Result<PathBuf> {
    let directory = tempfile::Builder::new()
        .prefix("mcp-workspace-example-")
        .tempdir()
        .context("cannot make a directory for the example")?
        .keep();
    EXAMPLE
        .extract(&directory)
        .with_context(|| format!("cannot unpack the example into {}", directory.display()))?;
    Ok(directory)
}

fn banner(
    url: &str,
    root: &Path,
    bundled: bool,
    opened: &Opened,
    (callers, header): (&str, &str),
) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "mcp-workspace {}", env!("CARGO_PKG_VERSION"))?;
    writeln!(out, "  serving    {url}")?;
    writeln!(out, "  workspace  {}", root.display())?;
    if bundled {
        writeln!(out, "             the bundled example, unpacked; serve your own:")?;
        writeln!(out, "             mcp-workspace serve --workspace DIR")?;
    }
    writeln!(out, "  policy     {}", opened.policy)?;
    writeln!(out, "  paths      resolved by {}", opened.resolution.as_str())?;
    writeln!(out, "  callers    {callers}")?;
    writeln!(out, "\nConnect Claude Code:")?;
    writeln!(out, "  claude mcp add --transport http mcp-workspace {url}{header}")?;
    writeln!(out, "Look around with MCP Inspector:")?;
    writeln!(
        out,
        "  npx @modelcontextprotocol/inspector --cli {url} --transport http --method tools/list{header}"
    )?;
    writeln!(out, "\nCtrl-C stops it. Audit records follow on stderr.")?;
    out.flush()
}
