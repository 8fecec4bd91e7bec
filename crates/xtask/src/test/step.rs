use std::io::{self, BufRead as _, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context as _, anyhow, ensure};

use crate::checkout;
use crate::shell;
use crate::summary::Summary;

/// A step of the gate: one command that has to succeed.
pub(super) struct Step {
    name: &'static str,
    command: Command,
    /// The action that fixes a failure.
    advice: &'static str,
    /// The shell line that runs the step alone.
    alone: String,
}

impl Step {
    pub(super) fn new(name: &'static str, command: Command, advice: &'static str) -> Self {
        Self {
            name,
            alone: shell::line(&command),
            command,
            advice,
        }
    }

    /// Lets a program run the command. A developer runs it by `prefix`.
    pub(super) fn run_by(self, prefix: &str, program: PathBuf, arguments: &[&str]) -> Self {
        let mut command = checkout::command(program);
        command.args(arguments).arg(self.command.get_program());
        command.args(self.command.get_args());
        command.envs(self.command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        Self {
            alone: format!("{prefix} {}", self.alone),
            command,
            ..self
        }
    }

    /// Runs the command to its end.
    pub(super) fn run(mut self) -> anyhow::Result<()> {
        print_heading(self.name);
        let status = self.command.status().context("the command cannot be started");
        let succeeded = status.and_then(|status| self.check(status));
        succeeded.map_err(|cause| step_error(self.name, &cause, &self.alone))
    }

    /// Runs the command, which is a `cargo test`, to its end. Forwards its output and adds the results to `summary`.
    pub(super) fn run_tests(mut self, summary: &mut Summary) -> anyhow::Result<()> {
        print_heading(self.name);
        let passed = self.count_results(summary, &mut io::stdout().lock());
        passed.map_err(|cause| step_error(self.name, &cause, &self.alone))
    }

    fn count_results(&mut self, summary: &mut Summary, stdout: &mut impl Write) -> anyhow::Result<()> {
        let started = self.command.stdout(Stdio::piped()).spawn();
        let mut run = started.context("the command cannot be started")?;
        let output = run.stdout.take().context("the command has no output")?;
        let mut results = Summary::default();
        // Bytes, because the output of a test need not be UTF-8.
        for line in BufReader::new(output).split(b'\n') {
            let mut line = line.context("the output cannot be read")?;
            results.add_line(&String::from_utf8_lossy(&line));
            line.push(b'\n');
            stdout.write_all(&line).context("the output cannot be forwarded")?;
        }
        let status = run.wait().context("the exit status cannot be read")?;
        let has_passed = results.failed == 0;
        let has_run = results.passed > 0;
        *summary += results;
        self.check(status)?;
        ensure!(has_passed, "{}", self.advice);
        ensure!(has_run, "no test ran, or the output of cargo has an unknown form");
        Ok(())
    }

    fn check(&self, status: ExitStatus) -> anyhow::Result<()> {
        if status.success() {
            Ok(())
        } else {
            Err(anyhow!("{} ({status})", self.advice))
        }
    }
}

fn print_heading(step: &str) {
    println!("\n── {step}");
}

/// Returns an error that names the failed step, its cause and the shell line that runs it alone.
fn step_error(step: &str, cause: &anyhow::Error, alone: &str) -> anyhow::Error {
    anyhow!("the step `{step}` failed: {cause:#}\nto run it alone: {alone}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(script: &str) -> Step {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Step::new("tests", command, "read the output above")
    }

    #[test]
    fn failed_step_returns_its_name_and_command() {
        step("exit 0").run().unwrap();
        let error = step("exit 3").run_by("run", "env".into(), &["A=1"]).run().unwrap_err();
        assert_eq!(
            error.to_string(),
            "the step `tests` failed: read the output above (exit status: 3)\nto run it alone: run sh -c 'exit 3'"
        );
    }

    #[test]
    fn test_step_adds_its_results_to_the_summary() {
        let mut summary = Summary::default();
        let passed = "echo 'test result: ok. 3 passed; 0 failed; 1 ignored'";
        step(passed).count_results(&mut summary, &mut io::sink()).unwrap();
        step(passed).count_results(&mut summary, &mut io::sink()).unwrap();
        assert_eq!(summary.to_string(), "6 passed, 0 failed, 2 skipped");
    }

    #[test]
    fn test_step_without_a_passed_test_fails() {
        for script in [
            "exit 0",
            "echo 'test result: FAILED. 3 passed; 1 failed'",
            "echo 'test result: ok. 3 passed; 0 failed'; exit 1",
        ] {
            let result = step(script).count_results(&mut Summary::default(), &mut io::sink());
            assert!(result.is_err(), "{script}");
        }
    }
}
