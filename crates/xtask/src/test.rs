//! The gate that a change has to pass: steps from fast to slow, so that a failure shows early. The first step
//! that fails ends the run.

mod step;

use std::process::{Command, ExitCode};

use clap::Args;

use crate::checkout::{self, command};
use crate::servers;
use crate::summary::Summary;
use crate::tools::CARGO_DENY;
use step::{Step, print_heading, step_error};

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

/// The variable whose value `required` makes a test fail when its server is missing, as in CI.
const REQUIRED_SERVERS: &str = "AUTHME_TEST_SERVERS";

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
    architecture_rules().run_tests(summary, &[])?;
    clippy("clippy", &EVERYTHING).run()?;
    tests_without_servers().run_tests(summary, &[])
}

fn run_all_steps(summary: &mut Summary) -> anyhow::Result<()> {
    format().run()?;
    architecture_rules().run_tests(summary, &[])?;
    clippy("clippy", &EVERYTHING).run()?;
    clippy("clippy of authme without MongoDB", &["--package", "authme"]).run()?;
    documentation().run()?;
    fuzz_targets()?.run()?;
    dependencies()?.run()?;
    build().run()?;
    documentation_tests().run_tests(summary, &[])?;
    unit_tests().run_tests(summary, &[])?;
    with_servers(|variables| integration_tests().run_tests(summary, variables))
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
    command.env("CARGO_TARGET_DIR", checkout::target()?);
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
    command.args(["--exclude", "end-to-end", "--lib", "--test", "it"]);
    for variable in servers::VARIABLES.into_iter().chain([REQUIRED_SERVERS]) {
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

fn integration_tests() -> Step {
    let mut command = cargo(&["test", "--locked", "--no-fail-fast"], &OTHER_TESTS);
    command.args(["--test", "*"]);
    let step = Step::new("integration tests", command, FIX_TESTS);
    step.with_preparation("export $(cargo xtask servers up)")
}

const FIX_TESTS: &str = "fix the tests that say FAILED above, or the errors if they did not compile";

fn cargo(subcommand: &[&str], scope: &[&str]) -> Command {
    let mut cargo = command("cargo");
    cargo.args(subcommand).args(scope);
    cargo
}

/// Runs `tests` with the variables that name the servers, and stops the servers that it had to start.
fn with_servers(tests: impl FnOnce(&[(&'static str, String)]) -> anyhow::Result<()>) -> anyhow::Result<()> {
    print_heading("servers");
    let before = servers::running_servers();
    let passed = start_servers().and_then(|variables| tests(&variables));
    servers::stop_others(before)?;
    passed
}

/// Starts the servers that some tests need, and returns the variables that name them. If a server cannot run on this
/// machine, its tests are listed as ignored. If servers are required, as in CI, the run ends here.
fn start_servers() -> anyhow::Result<Vec<(&'static str, String)>> {
    let stores = servers::ensure_up().map(|addresses| addresses.variables().to_vec());
    let mail = servers::ensure_mail_up().map(|server| vec![server.variable()]);
    let mut variables = Vec::new();
    for started in [stores, mail] {
        match started {
            Ok(started) => variables.extend(started),
            Err(error) if are_servers_required() => {
                return Err(step_error("servers", &error, "cargo xtask servers up"));
            }
            Err(error) => println!("the tests that need this server are listed as ignored: {error:#}"),
        }
    }
    Ok(variables)
}

#[expect(
    clippy::disallowed_methods,
    reason = "whether tests require servers is not an AuthMe setting"
)]
fn are_servers_required() -> bool {
    std::env::var_os(REQUIRED_SERVERS).is_some_and(|servers| servers == "required")
}
