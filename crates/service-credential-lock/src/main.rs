//! The service `credential-lock`: locks and unlocks a user's credential.

use std::process::ExitCode;

use service_assembly::{CREDENTIAL_LOCK, Service};

const SERVICE: Service = Service {
    name: "service-credential-lock",
    about: "Locks and unlocks the credentials of users",
    contexts: &[&CREDENTIAL_LOCK],
};

fn main() -> ExitCode {
    SERVICE.run()
}
