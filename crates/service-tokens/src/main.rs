//! The service `tokens`: issues, renews and revokes tokens, and removes users.

use std::process::ExitCode;

use service_assembly::{DIRECTORY, Service, TOKENS};

const SERVICE: Service = Service {
    name: "service-tokens",
    about: "Issues, renews and revokes access tokens and refresh tokens",
    contexts: &[&TOKENS, &DIRECTORY],
};

fn main() -> ExitCode {
    SERVICE.run()
}
