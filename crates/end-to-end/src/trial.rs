use std::sync::LazyLock;
use std::time::Duration;

use libtest_mimic::{Failed, Trial};
use tokio::runtime::Runtime;
use tokio::time::timeout;

const MONGODB_URI: &str = "AUTHME_TEST_MONGODB_URI";
const KAFKA_BROKERS: &str = "AUTHME_TEST_KAFKA_BROKERS";
/// `required` where servers that are missing are a failure.
const SERVERS: &str = "AUTHME_TEST_SERVERS";

/// Longer than any trial takes.
const OVERDUE: Duration = Duration::from_mins(10);

/// One for all trials: what a trial keeps for the others, connections above all, lives on it.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));

/// The servers that the services work on.
#[derive(Debug, Clone)]
pub struct Servers {
    pub mongodb_uri: String,
    pub kafka_brokers: String,
}

/// The servers of the tests, when both are named.
pub fn servers() -> Option<Servers> {
    Some(Servers {
        mongodb_uri: variable(MONGODB_URI)?,
        kafka_brokers: variable(KAFKA_BROKERS)?,
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "the servers of a test are no setting of AuthMe"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A trial on the servers: shown as ignored when there are none, and failed when there must be.
pub fn on_servers<T, F>(name: &str, trial: T) -> Trial
where
    T: FnOnce(Servers) -> F + Send + 'static,
    F: Future<Output = ()>,
{
    let servers = servers();
    let required = variable(SERVERS).is_some_and(|servers| servers == "required");
    let ignored = servers.is_none() && !required;
    let run = move || {
        let servers = servers.ok_or_else(|| format!("{MONGODB_URI} and {KAFKA_BROKERS} name no servers"))?;
        let ended = RUNTIME.block_on(async { timeout(OVERDUE, trial(servers)).await });
        ended.map_err(|_| Failed::from("the trial does not end"))
    };
    Trial::test(name, run).with_ignored_flag(ignored)
}
