use service_runtime::{CommandError, Loaded};

use crate::app::App;
use crate::context::Context;
use crate::deployed::Deployed;
use crate::output::print_line;
use crate::topics::{self, Topics};

/// `--check`: reports whether a start would succeed. A service also starts without brokers and without a remote key set,
/// so if they are unreachable, that is reported but is not an error.
pub(crate) async fn run(contexts: &[&Context], deployed: Deployed, loaded: Loaded) -> Result<(), CommandError> {
    print_line("store: reached")?;
    let keys = deployed.platform.keys.clone();
    App::assemble(contexts, deployed.platform, loaded)?;
    print_line("settings: valid")?;
    let result = if keys.signing.is_some() {
        "read"
    } else {
        keys.on_demand.refresh().await;
        match keys.verification.version() {
            Some(_) => "fetched",
            None => "unreachable; a service would start, but would not be ready until they are fetched",
        }
    };
    print_line(&format!("keys: {result}"))?;
    match topics::check(&deployed.publisher).await? {
        Topics::Exist => print_line("kafka: all topics exist"),
        Topics::Unknown(_) => print_line(
            "kafka: unreachable; a service would start, and would keep events in the outboxes until a broker answers",
        ),
    }
}
