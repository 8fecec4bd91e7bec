//! The tasks of `cargo xtask servers`.

use std::env;
use std::ffi::OsString;
use std::process::{Command, ExitCode};

use anyhow::Context as _;
use clap::Subcommand;

use crate::endpoint::Endpoint;
use crate::folder::Folder;
use crate::group::{GROUPS, Group};
use crate::status::Status;

/// The number of servers: a document store, a broker and a mail server.
const SERVERS: usize = 3;

/// The variable whose value `required` makes a task fail when a server is missing, as in CI.
const REQUIRED: &str = "AUTHME_TEST_SERVERS";

#[derive(Subcommand)]
pub enum Task {
    /// Start the servers that are not up, and print the environment variables by which tests find them
    Up,
    /// Stop the servers that `up` started
    Down,
    /// Print each server with its source, address and processes; exit with 1 unless all are up
    Status,
    /// Run a command with the variables that name the servers, and stop the servers that were not up before
    Run {
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
    },
}

impl Task {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Up => up(),
            Self::Down => down(),
            Self::Status => status(),
            Self::Run { command } => run(&command),
        }
    }
}

#[expect(clippy::print_stdout, reason = "a shell evaluates the variables")]
fn up() -> anyhow::Result<ExitCode> {
    for group in GROUPS {
        for endpoint in group.ensure_up()? {
            println!("{endpoint}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn down() -> anyhow::Result<ExitCode> {
    if stop(&GROUPS)? {
        eprintln!("the servers are down");
    } else {
        eprintln!("`up` started no server: nothing to stop");
    }
    Ok(ExitCode::SUCCESS)
}

/// Stops the servers that a task started. Returns whether there were any.
fn stop(groups: &[&Group]) -> anyhow::Result<bool> {
    let folder = Folder::open()?;
    let _lock = folder.lock()?;
    let mut has_stopped = false;
    for group in groups {
        has_stopped |= group.stop(&folder)?;
    }
    Ok(has_stopped)
}

#[expect(clippy::print_stdout, reason = "a task prints its results")]
fn status() -> anyhow::Result<ExitCode> {
    let folder = Folder::open()?;
    let mut servers = Vec::new();
    for group in GROUPS {
        servers.extend(group.statuses(&folder)?);
    }
    for server in &servers {
        println!("{server}");
    }
    if servers.is_empty() {
        println!("the environment names no server, and `up` started none");
    }
    let are_all_up = servers.len() == SERVERS && servers.iter().all(Status::is_up);
    Ok(if are_all_up {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Runs a command and returns its exit code. If a server cannot run on this machine, the command runs without it,
/// unless servers are required.
fn run(command: &[OsString]) -> anyhow::Result<ExitCode> {
    let mut missing = GROUPS.to_vec();
    missing.retain(|group| !group.is_up());
    let exit_code = start_all().and_then(|endpoints| run_with(command, &endpoints));
    stop(&missing)?;
    exit_code
}

/// Starts the servers and returns them.
#[expect(
    clippy::disallowed_methods,
    reason = "whether tests require servers is not an AuthMe setting"
)]
fn start_all() -> anyhow::Result<Vec<Endpoint>> {
    let is_required = env::var_os(REQUIRED).is_some_and(|servers| servers == "required");
    let mut endpoints = Vec::new();
    for group in GROUPS {
        match group.ensure_up() {
            Ok(started) => endpoints.extend(started),
            Err(error) if is_required => return Err(error.context("a server is missing (`cargo xtask servers up`)")),
            Err(error) => eprintln!("the tests that need this server are listed as ignored: {error:#}"),
        }
    }
    Ok(endpoints)
}

fn run_with(command: &[OsString], endpoints: &[Endpoint]) -> anyhow::Result<ExitCode> {
    let (program, arguments) = command.split_first().context("no command")?;
    let variables = endpoints
        .iter()
        .map(|endpoint| (endpoint.server.variable(), &endpoint.value));
    let status = Command::new(program).args(arguments).envs(variables).status();
    let status = status.with_context(|| format!("cannot start {}", program.display()))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}
