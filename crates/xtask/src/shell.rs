//! Text that a POSIX shell reads back as the same words.

use std::process::Command;

/// Returns a value as one shell word, in quotes if it needs them.
pub(crate) fn quote(value: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./:,?=@%+".contains(c);
    if !value.is_empty() && value.chars().all(is_plain) {
        value.to_owned()
    } else {
        format!("'{}'", value.replace('\'', r"'\''"))
    }
}

/// Returns the shell line that runs a command: the variables that it sets, the program and the arguments.
pub(crate) fn line(command: &Command) -> String {
    let variables = command.get_envs().filter_map(|(name, value)| {
        let value = quote(&value?.to_string_lossy());
        Some(format!("{}={value}", name.to_string_lossy()))
    });
    let program = std::iter::once(command.get_program()).chain(command.get_args());
    let words = program.map(|argument| quote(&argument.to_string_lossy()));
    variables.chain(words).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_is_read_back_by_a_shell() {
        let mut command = Command::new("printf");
        command.args(["%s|", "--test", "*", "it's", ""]).env("NAME", "a b");
        let line = line(&command);
        assert_eq!(line, r"NAME='a b' printf '%s|' --test '*' 'it'\''s' ''");
        let output = Command::new("sh").args(["-c", &line]).output().unwrap();
        assert_eq!(output.stdout, b"--test|*|it's||");
    }
}
