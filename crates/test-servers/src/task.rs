//! The tasks of `cargo xtask servers`.

use std::env;
use std::ffi::OsString;
use std::process::{Command, ExitCode};

use anyhow::Context as _;
use clap::{Subcommand, ValueEnum};

use crate::folder::Folder;
use crate::status::Status;
use crate::{smtp, stores};

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
    /// Stop one server for a trial; its port and its data stay
    #[command(hide = true)]
    Stop { server: Stoppable },
    /// Start a stopped server again, on its port and with its data
    #[command(hide = true)]
    Start { server: Stoppable },
}

#[derive(Clone, Copy, ValueEnum)]
pub enum Stoppable {
    Kafka,
}

impl Task {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Up => up()?,
            Self::Down => down()?,
            Self::Status => return status(),
            Self::Run { command } => return run(&command),
            Self::Stop {
                server: Stoppable::Kafka,
            } => {
                stores::stop_kafka()?;
                eprintln!("kafka is stopped");
            }
            Self::Start {
                server: Stoppable::Kafka,
            } => {
                stores::start_kafka()?;
                eprintln!("kafka is up");
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

#[expect(clippy::print_stdout, reason = "a shell evaluates the variables")]
fn up() -> anyhow::Result<()> {
    println!("{}", stores::ensure_up()?);
    println!("{}", smtp::ensure_up()?);
    Ok(())
}

fn down() -> anyhow::Result<()> {
    if stop(true, true)? {
        eprintln!("the servers are down");
    } else {
        eprintln!("`up` started no server: nothing to stop");
    }
    Ok(())
}

/// Stops the servers that `up` started: the store and the broker, and the mail server. Returns whether it had started
/// any of them.
fn stop(stops_stores: bool, stops_mail: bool) -> anyhow::Result<bool> {
    let folder = Folder::open()?;
    let _lock = folder.lock()?;
    let has_stopped_mail = stops_mail && smtp::stop(&folder)?;
    Ok(stops_stores && stores::stop(&folder)? || has_stopped_mail)
}

#[expect(clippy::print_stdout, reason = "a task prints its results")]
fn status() -> anyhow::Result<ExitCode> {
    let folder = Folder::open()?;
    let mut servers = stores::statuses(&folder)?;
    servers.extend(smtp::status(&folder)?);
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
    let (had_stores, had_mail) = (stores::is_up(), smtp::is_up());
    let exit_code = start_all().and_then(|variables| run_with(command, variables));
    stop(!had_stores, !had_mail)?;
    exit_code
}

/// Starts the servers and returns the variables that name them.
#[expect(
    clippy::disallowed_methods,
    reason = "whether tests require servers is not an AuthMe setting"
)]
fn start_all() -> anyhow::Result<Vec<(&'static str, String)>> {
    let is_required = env::var_os(REQUIRED).is_some_and(|servers| servers == "required");
    let stores = stores::ensure_up().map(|addresses| addresses.variables().to_vec());
    let mail = smtp::ensure_up().map(|server| vec![server.variable()]);
    let mut variables = Vec::new();
    for started in [stores, mail] {
        match started {
            Ok(started) => variables.extend(started),
            Err(error) if is_required => return Err(error.context("a server is missing (`cargo xtask servers up`)")),
            Err(error) => eprintln!("the tests that need this server are listed as ignored: {error:#}"),
        }
    }
    Ok(variables)
}

fn run_with(command: &[OsString], variables: Vec<(&'static str, String)>) -> anyhow::Result<ExitCode> {
    let (program, arguments) = command.split_first().context("no command")?;
    let status = Command::new(program).args(arguments).envs(variables).status();
    let status = status.with_context(|| format!("cannot start {}", program.display()))?;
    Ok(status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .map_or(ExitCode::FAILURE, ExitCode::from))
}
