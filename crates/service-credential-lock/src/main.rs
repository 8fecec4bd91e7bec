//! The service `credential-lock`: locks and unlocks a user's credential.

mod wiring;

use std::process::ExitCode;

use service_assembly::Service;

fn main() -> ExitCode {
    let service = Service {
        name: "service-credential-lock",
        context: "credential-lock",
        about: "Locks and unlocks the credentials of users",
        wire: wiring::wire,
    };
    service.run()
}
