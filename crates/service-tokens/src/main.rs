//! The service `tokens`: issues, renews and revokes tokens.

mod wiring;

use std::process::ExitCode;

use service_assembly::Service;

fn main() -> ExitCode {
    let service = Service {
        name: "service-tokens",
        context: "tokens",
        about: "Issues, renews and revokes access tokens and refresh tokens",
        wire: wiring::wire,
    };
    service.run()
}
