//! The layout of `--help`: at most 80 columns, commands in groups, global options in a group of their own.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fmt::Write as _;

use clap::builder::PossibleValue;
use clap::{Arg, ArgAction, Command};

use crate::text::{WIDTH, fill, wrap};

/// The heading of the options that every command accepts.
const GLOBAL: &str = "Global options";

/// The narrowest column of help text beside the options. A narrower one moves below them.
const NARROWEST: usize = 36;

/// The indentation of help text below its option.
const INDENT_BELOW: usize = 10;

/// The commands by group. A test compares them with those that exist.
const GROUPS: [(&str, &[&str]); 4] = [
    ("Server", &["serve", "demo"]),
    (
        "Clients, users and their rights",
        &["client", "identity", "group", "role", "scope"],
    ),
    ("Keys and records", &["keys", "events", "audit"]),
    ("Reference", &["openapi"]),
];

/// Lays the help of the root command and of its subcommands out.
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
    let mut command = command
        .disable_help_flag(true)
        .disable_version_flag(true)
        .arg(help)
        .arg(version);
    // Only a built argument knows how it is written.
    command.build();
    lay_out_arguments(command)
        // The template lists them by group instead.
        .mut_subcommands(|subcommand| subcommand.hide(true))
        .override_usage("authme [OPTIONS] <COMMAND>")
        .help_template(template)
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

/// Wraps the help of each argument. clap wraps only with its feature `wrap_help`, which brings a further dependency.
fn lay_out_arguments(command: Command) -> Command {
    let command = command.term_width(0).mut_args(|arg| {
        if arg.is_global_set() {
            arg.help_heading(GLOBAL)
        } else {
            arg
        }
    });
    let mut longest: HashMap<Section, usize> = HashMap::new();
    for arg in command.get_arguments() {
        let longest = longest.entry(section(arg)).or_default();
        *longest = (*longest).max(length(arg));
    }
    let command = command.mut_args(|arg| {
        let column = longest.get(&section(&arg)).map_or(0, |longest| longest + 4);
        let is_below = column + NARROWEST > WIDTH;
        let indent = if is_below { INDENT_BELOW } else { column };
        let text = help_text(&arg, WIDTH.saturating_sub(indent));
        arg.next_line_help(is_below)
            .hide_default_value(true)
            .hide_env(true)
            .hide_possible_values(true)
            .help(text)
    });
    let details = command
        .get_after_help()
        .map(|details| wrap(&details.to_string(), WIDTH).join("\n"));
    let command = match details {
        Some(details) => command.after_help(details),
        None => command,
    };
    command.mut_subcommands(lay_out_arguments)
}

/// Arguments that clap aligns with each other: a heading, or the positional ones, or the options without a heading.
type Section = (Option<String>, bool);

fn section(arg: &Arg) -> Section {
    (arg.get_help_heading().map(str::to_owned), arg.is_positional())
}

/// Columns of an argument before its help text; a long option leaves room for a short one.
fn length(arg: &Arg) -> usize {
    let room_for_short = if arg.get_long().is_some() { 4 } else { 0 };
    arg.to_string().chars().count() + room_for_short
}

/// Returns the wrapped help text of an argument, with its possible values, its default and its variable. These get lines
/// of their own where the text fills one.
fn help_text(arg: &Arg, width: usize) -> String {
    let text = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let notes = notes(arg);
    let inline = format!("{text} {}", notes.join(" "));
    if inline.chars().count() <= width {
        return inline.trim_end().to_owned();
    }
    let mut lines = wrap(&text, width);
    lines.extend(fill(notes.iter().map(String::as_str), " ", width));
    lines.join("\n")
}

fn notes(arg: &Arg) -> Vec<String> {
    let lossy = |value: &OsStr| value.to_string_lossy().into_owned();
    let values = arg.get_possible_values();
    let values: Vec<&str> = values.iter().map(PossibleValue::get_name).collect();
    let defaults: Vec<String> = arg.get_default_values().iter().map(|value| lossy(value)).collect();
    let takes_value = arg.get_action().takes_values();
    let mut notes = Vec::new();
    // `<BOOL>` names them already.
    if takes_value && !values.is_empty() && values != ["true", "false"] {
        notes.push(format!("[values: {}]", values.join(", ")));
    }
    if takes_value && !defaults.is_empty() {
        notes.push(format!("[default: {}]", defaults.join(", ")));
    }
    if let Some(variable) = arg.get_env() {
        notes.push(format!("[env: {}]", lossy(variable)));
    }
    notes
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
        assert!(root.contains("[default: ./authme-data] [env: AUTHME_DATA]"), "{root}");
        assert!(root.contains("Global options: --data <DIR>"), "{root}");
    }
}
