//! The service `credential-lock`: locks and unlocks a user's credential.

mod wiring;

use std::process::ExitCode;

use service_assembly::Service;
use service_runtime::Binary;

fn main() -> ExitCode {
    let service = Service {
        binary: Binary::CredentialLock,
        name: "service-credential-lock",
        about: "Locks and unlocks the credentials of users",
        defaults: include_str!("../config.default.toml"),
        wire: wiring::wire,
    };
    service.run()
}
