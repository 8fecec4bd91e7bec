//! The service `factors`: which contacts a user has, and one-time codes.

mod wiring;

use std::process::ExitCode;

use service_assembly::Service;
use service_runtime::Binary;

fn main() -> ExitCode {
    let service = Service {
        binary: Binary::Factors,
        name: "service-factors",
        about: "Keeps the contacts that users prove themselves with",
        defaults: include_str!("../config.default.toml"),
        wire: wiring::wire,
    };
    service.run()
}
