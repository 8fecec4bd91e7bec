//! The command line of `authme`.

use std::process::ExitCode;

use clap::builder::PossibleValuesParser;
use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use domain::names::NameKind;
use service_assembly::CONTEXTS;

use crate::commands::lock::LockChange;
use crate::commands::{
    CommandTarget, TargetArguments, audit, backup, client, events, group, identity, keys, lock, name, openapi,
};
use crate::runtime::on_runtime;
use crate::serve::ServeArguments;
use crate::{CommandError, demo, help, serve};

/// AuthMe in one process, on SQLite.
#[derive(Debug, Parser)]
#[command(name = "authme", version)]
pub struct Cli {
    #[command(flatten)]
    target: TargetArguments,
    #[command(subcommand)]
    command: Command,
    /// The names of the command and its subcommand, as the audit trail records them.
    #[arg(skip)]
    command_name: String,
}

impl Cli {
    /// Parses the command line of this process. Ends the process with exit code 2 when it is malformed.
    pub fn read() -> Self {
        let matches = help::lay_out(Self::command()).get_matches();
        let parsed = Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        Self {
            command_name: command_words(&matches).join(" "),
            ..parsed
        }
    }
}

/// Returns the names of the command and its subcommand, without arguments.
fn command_words(matches: &ArgMatches) -> Vec<&str> {
    let Some((word, inner)) = matches.subcommand() else {
        return Vec::new();
    };
    let mut all = vec![word];
    all.extend(command_words(inner));
    all
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server: all three services in one process
    Serve(ServeArguments),
    /// Run an example scenario over HTTP, in a temporary folder
    Demo {
        /// Keep the server running after the scenario, until Ctrl-C
        #[arg(long)]
        keep: bool,
    },
    /// Register and change client applications
    #[command(subcommand)]
    Client(client::ClientCommand),
    /// Register and change users
    #[command(subcommand)]
    Identity(identity::IdentityCommand),
    /// Define groups and the roles that they grant
    #[command(subcommand)]
    Group(group::GroupCommand),
    /// Add and list the role names that registrations may use
    #[command(subcommand)]
    Role(name::NameCommand),
    /// Add and list the scope names that registrations may use
    #[command(subcommand)]
    Scope(name::NameCommand),
    /// List, generate, retire and revoke signing keys
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Lock users: end their sessions and refuse new ones
    Lock(lock::LockArguments),
    /// Unlock users
    Unlock(lock::LockArguments),
    /// Copy a data folder into a backup, also while a server uses it
    Backup(backup::BackupArguments),
    /// Make a data folder of a backup
    Restore(backup::RestoreArguments),
    /// Print the event log of a data folder, one event per line
    Events(events::EventsArguments),
    /// Print the audit trail of a data folder, one record per line
    Audit(audit::AuditArguments),
    /// Print the API description of a service (OpenAPI)
    Openapi {
        /// The service, or `events` for the event log of `authme serve`
        #[arg(value_parser = PossibleValuesParser::new(CONTEXTS.iter().map(|context| context.name)))]
        context: String,
    },
}

/// Runs a command on its store, and closes the store.
fn on_store(
    target: &CommandTarget,
    command: impl Future<Output = Result<ExitCode, CommandError>>,
) -> Result<ExitCode, CommandError> {
    on_runtime(async {
        let result = command.await;
        target.close().await;
        result
    })
}

/// Runs a command.
pub fn run(cli: Cli) -> Result<ExitCode, CommandError> {
    let target = CommandTarget::new(cli.target, cli.command_name);
    match cli.command {
        Command::Serve(arguments) => {
            target.require_folder()?;
            serve::run(target.folder(), &arguments)
        }
        Command::Demo { keep } => demo::run(keep),
        Command::Client(command) => on_store(&target, client::run(&target, command)),
        Command::Identity(command) => on_store(&target, identity::run(&target, command)),
        Command::Group(command) => on_store(&target, group::run(&target, command)),
        Command::Role(command) => on_store(&target, name::run(&target, NameKind::Role, command)),
        Command::Scope(command) => on_store(&target, name::run(&target, NameKind::Scope, command)),
        Command::Lock(arguments) => on_store(&target, lock::run(&target, LockChange::Lock, arguments)),
        Command::Unlock(arguments) => on_store(&target, lock::run(&target, LockChange::Unlock, arguments)),
        Command::Backup(arguments) => backup::run(&target, &arguments),
        Command::Restore(arguments) => backup::restore(&target, &arguments),
        Command::Keys(command) => keys::run(&target, command),
        Command::Audit(arguments) => audit::run(&target, &arguments),
        Command::Events(arguments) => on_store(&target, events::run(&target, arguments)),
        Command::Openapi { context } => openapi::run(&context),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_id_may_start_with_a_hyphen() {
        for line in [
            ["authme", "keys", "retire", "-ie5UE91", "--data", "elsewhere"],
            ["authme", "--data", "elsewhere", "keys", "retire", "-ie5UE91"],
        ] {
            let cli = Cli::try_parse_from(line).unwrap();
            let Command::Keys(keys::KeysCommand::Retire { kid }) = cli.command else {
                panic!("another command")
            };
            assert_eq!(kid, "-ie5UE91");
        }
    }
}
