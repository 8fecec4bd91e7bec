//! The layout of `--help`: at most 80 columns, commands in groups, global options in a group of their own.

use std::fmt::Write as _;

use clap::{Arg, ArgAction, Command};

use crate::text::WIDTH;

/// The heading of the options that every command accepts.
const GLOBAL: &str = "Global options";

/// The commands by group. A test checks that the list is complete.
const GROUPS: [(&str, &[&str]); 5] = [
    ("Server", &["serve", "demo"]),
    (
        "Clients, users and permissions",
        &["client", "identity", "group", "role", "scope", "lock", "unlock"],
    ),
    ("Data folder", &["backup", "restore"]),
    ("Keys and records", &["keys", "events", "audit"]),
    ("Reference", &["openapi"]),
];

/// Lays out the help of the root command and of its subcommands.
pub(crate) fn lay_out(command: Command) -> Command {
    let help = Arg::new("help")
        .short('h')
        .long("help")
        .action(ArgAction::Help)
        .global(true)
        .help("Print this help");
    let version = Arg::new("version")
        .short('V')
        .long("version")
        .action(ArgAction::Version)
        .help_heading(GLOBAL)
        .help("Print the version");
    let template = format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{}\n{{all-args}}",
        command_groups(&command)
    );
    let command = command
        .disable_help_flag(true)
        .disable_version_flag(true)
        .arg(help)
        .arg(version)
        .max_term_width(WIDTH);
    add_global_heading(command)
        // The template lists them by group instead.
        .mut_subcommands(|subcommand| subcommand.hide(true))
        .override_usage("authme [OPTIONS] <COMMAND>")
        .help_template(template)
}

fn add_global_heading(command: Command) -> Command {
    let command = command.mut_args(|arg| {
        if arg.is_global_set() {
            arg.help_heading(GLOBAL).hide_env_values(true)
        } else {
            arg
        }
    });
    command.mut_subcommands(add_global_heading)
}

fn command_groups(command: &Command) -> String {
    let mut text = String::new();
    for (heading, names) in GROUPS {
        let _ = writeln!(text, "{heading}:");
        for name in names {
            let about = command.find_subcommand(name).and_then(Command::get_about);
            let about = about.map(ToString::to_string).unwrap_or_default();
            let _ = writeln!(text, "  {name:<10}{about}");
        }
        text.push('\n');
    }
    text + "`authme help COMMAND` prints the help of a command.\n"
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::Cli;

    fn collect_help(command: &mut Command, path: &str, pages: &mut Vec<(String, String)>) {
        let path = format!("{path}{} ", command.get_name());
        pages.push((path.clone(), command.render_help().to_string()));
        pages.push((path.clone(), command.render_long_help().to_string()));
        for subcommand in command.get_subcommands_mut() {
            collect_help(subcommand, &path, pages);
        }
    }

    fn pages() -> Vec<(String, String)> {
        let mut command = lay_out(Cli::command());
        let mut pages = Vec::new();
        collect_help(&mut command, "", &mut pages);
        pages
    }

    #[test]
    fn every_help_page_fits_eighty_columns() {
        for (path, page) in pages() {
            let long: Vec<&str> = page.lines().filter(|line| line.chars().count() > WIDTH).collect();
            assert!(long.is_empty(), "{path}: {long:#?}");
        }
    }

    #[test]
    fn every_argument_has_a_help_text() {
        fn check(command: &Command) {
            for arg in command.get_arguments() {
                assert!(arg.get_help().is_some(), "{} {arg}", command.get_name());
            }
            command.get_subcommands().for_each(check);
        }
        check(&Cli::command());
    }

    #[test]
    fn the_root_help_lists_every_command_once() {
        let listed: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        let command = Cli::command();
        let commands: BTreeSet<&str> = command.get_subcommands().map(Command::get_name).collect();
        assert_eq!(listed.len(), commands.len());
        assert_eq!(listed.into_iter().collect::<BTreeSet<_>>(), commands);
    }

    #[test]
    fn defaults_and_variables_are_in_the_help() {
        let (_, root) = pages().swap_remove(0);
        let root = root.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(root.contains("[env: AUTHME_DATA] [default: ./authme-data]"), "{root}");
        assert!(root.contains("Global options: --data <DIR>"), "{root}");
    }
}
