//! The service `factors`: the contacts of users, and one-time codes.

mod wiring;

use std::process::ExitCode;

use service_assembly::Service;

fn main() -> ExitCode {
    let service = Service {
        name: "service-factors",
        context: "factors",
        about: "Manages the contacts of users and verifies them with one-time codes",
        wire: wiring::wire,
    };
    service.run()
}
