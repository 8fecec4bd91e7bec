//! The service `factors`: the contacts of users, and one-time codes.

use std::process::ExitCode;

use service_assembly::{FACTORS, Service};

const SERVICE: Service = Service {
    name: "service-factors",
    about: "Manages the contacts of users and verifies them with one-time codes",
    contexts: &[&FACTORS],
};

fn main() -> ExitCode {
    SERVICE.run()
}
