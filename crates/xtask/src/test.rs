//! What a change has to pass. The rules of the architecture are tests of this crate, so they run with the others.

use std::io::{self, BufRead, BufReader, Write};
use std::process::{ExitCode, Stdio};

use anyhow::{Context, ensure};

use crate::checkout::{command, must_succeed};
use crate::tally::Tally;
use crate::tools::CARGO_DENY;

/// Stops at the first step that fails. Once tests ran, their sum is the last line, alone.
pub(crate) fn run() -> ExitCode {
    let mut tally = Tally::default();
    let passed = steps(&mut tally);
    if let Err(failure) = &passed {
        eprintln!("\nerror: {failure:#}");
    }
    if tally != Tally::default() {
        println!("\n{tally}");
    }
    if passed.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn steps(tally: &mut Tally) -> anyhow::Result<()> {
    heading("format");
    let mut fmt = command("cargo");
    fmt.args(["fmt", "--all", "--check"]);
    must_succeed(fmt, "the format is not rustfmt's: run `cargo fmt --all`")?;

    heading("lints");
    let mut clippy = command("cargo");
    clippy.args(["clippy", "--workspace", "--all-targets", "--locked"]);
    clippy.args(["--", "-D", "warnings"]);
    must_succeed(clippy, "clippy is not content: mend what it names above")?;

    heading("tests");
    tests(tally)?;

    heading("dependencies");
    let mut deny = command(CARGO_DENY.ready()?);
    deny.args(["--locked", "check", "bans", "licenses", "sources"]);
    must_succeed(deny, "a dependency is refused: deny.toml says why")
}

fn heading(step: &str) {
    println!("\n── {step}");
}

/// Runs every test, passes the output on, and counts.
fn tests(tally: &mut Tally) -> anyhow::Result<()> {
    let mut cargo = command("cargo");
    cargo.args(["test", "--workspace", "--locked", "--no-fail-fast"]);
    let mut run = cargo.stdout(Stdio::piped()).spawn().context("cannot start cargo")?;
    let output = run.stdout.take().context("cargo has no output")?;
    let mut stdout = io::stdout().lock();
    // By bytes: a test may print anything.
    for line in BufReader::new(output).split(b'\n') {
        let mut line = line.context("cannot read the output of cargo")?;
        tally.add(&String::from_utf8_lossy(&line));
        line.push(b'\n');
        stdout.write_all(&line).context("cannot pass the output of cargo on")?;
    }
    drop(stdout);
    let status = run.wait().context("cannot wait for cargo")?;
    ensure!(
        status.success() && tally.failed == 0,
        "the tests failed: those above that say FAILED, or did not compile ({status})"
    );
    ensure!(tally.passed > 0, "no test ran, or its result was not understood");
    Ok(())
}
