//! The service `factors`: the contacts of users, and one-time codes.

mod wiring;

use std::process::ExitCode;

use service_assembly::Service;
use service_runtime::Binary;

fn main() -> ExitCode {
    let service = Service {
        binary: Binary::Factors,
        name: "service-factors",
        about: "Manages the contacts of users and verifies them with one-time codes",
        defaults: include_str!("../config.default.toml"),
        wire: wiring::wire,
    };
    service.run()
}
