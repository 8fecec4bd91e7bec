//! The gate that a change has to pass: steps from fast to slow, so that a failure shows early. The first step
//! that fails ends the run.

mod step;

use std::process::{Command, ExitCode};

use clap::Args;

use crate::checkout::{self, command};
use crate::summary::Summary;
use crate::tools::CARGO_DENY;
use step::Step;

/// The steps to run.
#[derive(Args)]
pub(crate) struct TestArguments {
    /// Run only the fast steps that need no server: format, architecture rules, clippy, unit and integration tests
    #[arg(long)]
    fast: bool,
}

/// Every crate, with the features that need no library of the system.
const EVERYTHING: [&str; 3] = ["--workspace", "--features", "authme/mongodb"];

/// Every test except the tests of this crate, which are the step of the architecture rules.
const OTHER_TESTS: [&str; 5] = ["--workspace", "--exclude", "xtask", "--features", "authme/mongodb"];

/// The variables by which tests find their servers, and the one whose value `required` makes a test fail when its server
/// is missing, as in CI.
const SERVER_VARIABLES: [&str; 4] = [
    "AUTHME_TEST_MONGODB_URI",
    "AUTHME_TEST_KAFKA_BROKERS",
    "AUTHME_TEST_SMTP",
    "AUTHME_TEST_SERVERS",
];

/// Runs the steps. The last line of the output has the number of passed, failed and skipped tests, if a test ran.
pub(crate) fn run(arguments: &TestArguments) -> ExitCode {
    let mut summary = Summary::default();
    let passed = if arguments.fast {
        run_fast_steps(&mut summary)
    } else {
        run_all_steps(&mut summary)
    };
    if let Err(error) = &passed {
        eprintln!("\nerror: {error:#}");
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

fn run_fast_steps(summary: &mut Summary) -> anyhow::Result<()> {
    format().run()?;
    architecture_rules().run_tests(summary)?;
    clippy("clippy", &EVERYTHING).run()?;
    tests_without_servers().run_tests(summary)
}

fn run_all_steps(summary: &mut Summary) -> anyhow::Result<()> {
    format().run()?;
    architecture_rules().run_tests(summary)?;
    clippy("clippy", &EVERYTHING).run()?;
    clippy("clippy of authme without MongoDB", &["--package", "authme"]).run()?;
    documentation().run()?;
    fuzz_targets()?.run()?;
    dependencies()?.run()?;
    build().run()?;
    documentation_tests().run_tests(summary)?;
    unit_tests().run_tests(summary)?;
    integration_tests()?.run_tests(summary)
}

fn format() -> Step {
    let command = cargo(&["fmt", "--all", "--check"], &[]);
    Step::new("format", command, "run `cargo fmt --all`")
}

/// The tests of this crate: its own and the rules of docs/ARCHITECTURE.md.
fn architecture_rules() -> Step {
    let command = cargo(&["test", "--locked", "--package", "xtask"], &[]);
    let advice = "a rule is broken; the message of each FAILED test above says what to do";
    Step::new("architecture rules", command, advice)
}

fn clippy(name: &'static str, scope: &[&str]) -> Step {
    let mut command = cargo(&["clippy", "--all-targets", "--locked"], scope);
    command.args(["--", "-D", "warnings"]);
    Step::new(name, command, "fix the warnings above")
}

/// Builds the documentation of the public items. rustdoc warns about a link in a comment that leads nowhere.
fn documentation() -> Step {
    let mut command = cargo(&["doc", "--no-deps", "--locked"], &EVERYTHING);
    command.env("RUSTDOCFLAGS", "-D warnings");
    Step::new("documentation", command, "fix the links and the warnings above")
}

fn fuzz_targets() -> anyhow::Result<Step> {
    let mut command = cargo(&["check", "--locked", "--manifest-path", "fuzz/Cargo.toml"], &[]);
    let target = checkout::programs()?.join("..");
    command.env("CARGO_TARGET_DIR", target);
    let advice = "the fuzz targets do not build; fuzz/README.md explains them";
    Ok(Step::new("fuzz targets", command, advice))
}

fn dependencies() -> anyhow::Result<Step> {
    let mut command = command(CARGO_DENY.install()?);
    command.args(["--locked", "check", "bans", "licenses", "sources"]);
    let advice = "a dependency is refused; deny.toml gives the reason";
    Ok(Step::new("dependencies", command, advice))
}

/// Builds all targets, including the binaries that the end-to-end tests start.
fn build() -> Step {
    let command = cargo(&["build", "--all-targets", "--locked"], &EVERYTHING);
    Step::new("build", command, "fix the errors above")
}

/// The fast tests that need no server. A test that needs a server is listed as ignored, even if the environment names
/// one. Trials, loom models and end-to-end tests are other targets and are left out.
fn tests_without_servers() -> Step {
    let mut command = cargo(&["test", "--locked", "--no-fail-fast"], &OTHER_TESTS);
    // Excluding the two crates changes no feature of a dependency, so both modes share one build.
    command.args([
        "--exclude",
        "end-to-end",
        "--lib",
        "--bin",
        "bench",
        "--bin",
        "trials",
        "--test",
        "it",
    ]);
    for variable in SERVER_VARIABLES {
        command.env_remove(variable);
    }
    Step::new("tests without servers", command, FIX_TESTS)
}

fn documentation_tests() -> Step {
    let command = cargo(&["test", "--locked", "--no-fail-fast", "--doc"], &EVERYTHING);
    Step::new("documentation tests", command, FIX_TESTS)
}

fn unit_tests() -> Step {
    let mut command = cargo(&["test", "--locked", "--no-fail-fast"], &OTHER_TESTS);
    command.args(["--lib", "--bins"]);
    Step::new("unit tests", command, FIX_TESTS)
}

/// The tests that may need servers. `test-servers`, which the build step has built, starts the ones that are missing, and
/// stops those that it started.
fn integration_tests() -> anyhow::Result<Step> {
    let mut command = cargo(&["test", "--locked", "--no-fail-fast"], &OTHER_TESTS);
    command.args(["--test", "*"]);
    let servers = checkout::programs()?.join("test-servers");
    let step = Step::new("integration tests", command, FIX_TESTS);
    Ok(step.run_by("cargo xtask servers run --", servers, &["run", "--"]))
}

const FIX_TESTS: &str = "fix the tests that say FAILED above, or the errors if they did not compile";

fn cargo(subcommand: &[&str], scope: &[&str]) -> Command {
    let mut cargo = command("cargo");
    cargo.args(subcommand).args(scope);
    cargo
}
