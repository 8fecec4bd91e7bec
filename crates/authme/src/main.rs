//! The `authme` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    match authme::cli::run(authme::cli::Cli::read()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("authme: {}", error.report());
            ExitCode::from(1)
        }
    }
}
