//! The command line.

use std::process::ExitCode;

use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use domain::names::NameKind;

use crate::commands::{CommandTarget, TargetArguments, audit, client, events, group, identity, keys, name, openapi};
use crate::runtime::on_runtime;
use crate::serve::ServeArguments;
use crate::{CommandError, demo, serve};

/// The identity core of a bank-grade platform, in one process over SQLite.
#[derive(Debug, Parser)]
#[command(name = "authme", version, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    place: TargetArguments,
    #[command(subcommand)]
    command: Command,
    /// The words of the command.
    #[arg(skip)]
    words: String,
}

impl Cli {
    /// The command line of this process; ends it with 2 when it cannot be read.
    pub fn read() -> Self {
        let matches = Self::command().get_matches();
        let read = Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        Self {
            words: words(&matches).join(" "),
            ..read
        }
    }
}

/// The names of the commands inside each other, without what they are given.
fn words(matches: &ArgMatches) -> Vec<&str> {
    let Some((word, inner)) = matches.subcommand() else {
        return Vec::new();
    };
    let mut all = vec![word];
    all.extend(words(inner));
    all
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the three services in one process
    Serve(ServeArguments),
    /// Tell the main job as a story, over real HTTP in a temporary folder
    Demo {
        /// Leave it serving at the end
        #[arg(long)]
        keep: bool,
    },
    /// Register and change client applications
    #[command(subcommand)]
    Client(client::ClientCommand),
    /// Register and change users
    #[command(subcommand)]
    Identity(identity::IdentityCommand),
    /// Name groups and the roles they grant
    #[command(subcommand)]
    Group(group::GroupCommand),
    /// Make names of roles known, so that registrations may use them
    #[command(subcommand)]
    Role(name::NameCommand),
    /// Make names of scopes known, so that registrations may use them
    #[command(subcommand)]
    Scope(name::NameCommand),
    /// See, make, retire and revoke signing keys
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Read the embedded event log, one `CloudEvent` a line
    Events(events::EventsArguments),
    /// Read the audit trail of a data folder, one record a line
    Audit(audit::AuditArguments),
    /// Print the API description of a context
    Openapi {
        /// `factors`, `tokens` or `credential-lock`
        #[arg(value_parser = ["factors", "tokens", "credential-lock", "events"])]
        context: String,
    },
}

/// Carries a command out.
pub fn run(cli: Cli) -> Result<ExitCode, CommandError> {
    let place = CommandTarget::new(cli.place, cli.words);
    match cli.command {
        Command::Serve(arguments) => serve::run(place.folder_only()?, &arguments),
        Command::Demo { keep } => demo::run(keep),
        Command::Client(command) => on_runtime(client::run(&place, command)),
        Command::Identity(command) => on_runtime(identity::run(&place, command)),
        Command::Group(command) => on_runtime(group::run(&place, command)),
        Command::Role(command) => on_runtime(name::run(&place, NameKind::Role, command)),
        Command::Scope(command) => on_runtime(name::run(&place, NameKind::Scope, command)),
        Command::Keys(command) => keys::run(&place, command),
        Command::Audit(arguments) => audit::run(&place, &arguments),
        Command::Events(arguments) => on_runtime(events::run(&place, arguments)),
        Command::Openapi { context } => openapi::run(&context),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_whose_name_begins_with_a_hyphen_is_retired_like_any_other() {
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
