//! The `authme` command.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let cli = authme::cli::Cli::parse();
    match authme::cli::run(cli) {
        Ok(code) => code,
        Err(refusal) => {
            eprintln!("authme: {}", refusal.in_words());
            ExitCode::from(1)
        }
    }
}
