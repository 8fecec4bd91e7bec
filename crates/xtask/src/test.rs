//! What a change has to pass. The rules of the architecture are tests of this crate, so they run with the others.

use std::io::{self, BufRead, BufReader, Write};
use std::process::{ExitCode, Stdio};

use anyhow::{Context, ensure};

use crate::checkout::{self, command, must_succeed};
use crate::servers;
use crate::summary::Summary;
use crate::tools::CARGO_DENY;

/// Every crate, with the features that need no more than the toolchain.
const EVERYTHING: [&str; 3] = ["--workspace", "--features", "authme/mongodb"];

/// Stops at the first step that fails. Once tests ran, their sum is the last line, alone.
pub(crate) fn run() -> ExitCode {
    let mut summary = Summary::default();
    let passed = steps(&mut summary);
    if let Err(failure) = &passed {
        eprintln!("\nerror: {failure:#}");
    }
    if summary != Summary::default() {
        println!("\n{summary}");
    }
    if passed.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn steps(summary: &mut Summary) -> anyhow::Result<()> {
    heading("format");
    let mut fmt = command("cargo");
    fmt.args(["fmt", "--all", "--check"]);
    must_succeed(fmt, "the format is not rustfmt's: run `cargo fmt --all`")?;

    heading("lints");
    for scope in [&EVERYTHING[..], &["--package", "authme"]] {
        let mut clippy = command("cargo");
        clippy.args(["clippy", "--all-targets", "--locked"]).args(scope);
        clippy.args(["--", "-D", "warnings"]);
        must_succeed(clippy, "clippy is not content: mend what it names above")?;
    }

    heading("servers");
    let before = servers::running();
    let tested = servers().and_then(|servers| {
        heading("tests");
        tests(summary, &servers)
    });
    servers::stop_others(before)?;
    tested?;

    heading("fuzz targets");
    let mut fuzz = command("cargo");
    fuzz.args(["check", "--locked", "--manifest-path", "fuzz/Cargo.toml"]);
    fuzz.env("CARGO_TARGET_DIR", checkout::target()?);
    must_succeed(fuzz, "the fuzz targets do not build: see fuzz/README.md")?;

    heading("dependencies");
    let mut deny = command(CARGO_DENY.install()?);
    deny.args(["--locked", "check", "bans", "licenses", "sources"]);
    must_succeed(deny, "a dependency is refused: deny.toml says why")
}

fn heading(step: &str) {
    println!("\n── {step}");
}

/// Variables that tell tests where a server is.
type Variables = Vec<(&'static str, String)>;

/// The servers that some tests need. On a machine that cannot have one of them those tests are shown as ignored, by name;
/// where they are required, as in CI, the run ends here.
fn servers() -> anyhow::Result<Variables> {
    let stores = servers::ensure_up().map(|addresses| addresses.variables().to_vec());
    let mail = servers::ensure_mail_up().map(|server| vec![server.variable()]);
    let mut variables = Variables::new();
    for found in [stores, mail] {
        match found {
            Ok(found) => variables.extend(found),
            Err(failure) if are_required() => {
                return Err(failure.context("the servers that the tests need cannot be had"));
            }
            Err(failure) => println!("without a server, what needs it is shown as ignored: {failure:#}"),
        }
    }
    Ok(variables)
}

#[expect(
    clippy::disallowed_methods,
    reason = "whether a machine has to have servers is no setting of AuthMe"
)]
fn are_required() -> bool {
    std::env::var_os("AUTHME_TEST_SERVERS").is_some_and(|servers| servers == "required")
}

/// Builds all of it, the binaries that tests start too; then runs every test, passes the output on, and counts.
fn tests(summary: &mut Summary, servers: &Variables) -> anyhow::Result<()> {
    let mut build = command("cargo");
    build.args(["build", "--all-targets", "--locked"]).args(EVERYTHING);
    must_succeed(build, "it does not build")?;
    let mut cargo = command("cargo");
    cargo.args(["test", "--locked", "--no-fail-fast"]).args(EVERYTHING);
    cargo.envs(servers.iter().map(|(name, value)| (name, value)));
    let mut run = cargo.stdout(Stdio::piped()).spawn().context("cannot start cargo")?;
    let output = run.stdout.take().context("cargo has no output")?;
    let mut stdout = io::stdout().lock();
    // By bytes: a test may print anything.
    for line in BufReader::new(output).split(b'\n') {
        let mut line = line.context("cannot read the output of cargo")?;
        summary.add_line(&String::from_utf8_lossy(&line));
        line.push(b'\n');
        stdout.write_all(&line).context("cannot pass the output of cargo on")?;
    }
    drop(stdout);
    let status = run.wait().context("cannot wait for cargo")?;
    ensure!(
        status.success() && summary.failed == 0,
        "the tests failed: those above that say FAILED, or did not compile ({status})"
    );
    ensure!(summary.passed > 0, "no test ran, or its result was not understood");
    Ok(())
}
