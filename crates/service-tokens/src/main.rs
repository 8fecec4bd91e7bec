//! The service `tokens`: issues, renews and revokes tokens.

mod wiring;

use std::process::ExitCode;

use service_assembly::Service;
use service_runtime::Binary;

fn main() -> ExitCode {
    let service = Service {
        binary: Binary::Tokens,
        name: "service-tokens",
        about: "Issues, renews and revokes access tokens and refresh tokens",
        defaults: include_str!("../config.default.toml"),
        wire: wiring::wire,
    };
    service.run()
}
