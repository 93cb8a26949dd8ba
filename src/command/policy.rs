//! x
/// x
#[derive(Debug, clap::Subcommand)]
pub enum PolicyCommand {
    /// x
    Check,
}
/// x
pub fn run(_c: PolicyCommand) -> anyhow::Result<std::process::ExitCode> {
    Ok(std::process::ExitCode::SUCCESS)
}
