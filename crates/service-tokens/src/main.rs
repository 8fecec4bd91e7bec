//! The service `tokens`: issues, renews and revokes tokens.

use std::process::ExitCode;

use service_assembly::{Service, TOKENS};

const SERVICE: Service = Service {
    name: "service-tokens",
    about: "Issues, renews and revokes access tokens and refresh tokens",
    contexts: &[&TOKENS],
};

fn main() -> ExitCode {
    SERVICE.run()
}
