//! The service `tokens`: turns proofs into signed tokens.

mod wiring;

use std::process::ExitCode;

use service_assembly::Service;
use service_runtime::Binary;

fn main() -> ExitCode {
    let service = Service {
        binary: Binary::Tokens,
        name: "service-tokens",
        about: "Turns hand-offs and refresh tokens into signed access tokens",
        defaults: include_str!("../config.default.toml"),
        wire: wiring::wire,
    };
    service.run()
}
