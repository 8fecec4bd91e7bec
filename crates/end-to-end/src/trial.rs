use std::sync::LazyLock;
use std::time::Duration;

use libtest_mimic::{Failed, Trial};
use tokio::runtime::Runtime;
use tokio::time::timeout;

const MONGODB_URI: &str = "AUTHME_TEST_MONGODB_URI";
const KAFKA_BROKERS: &str = "AUTHME_TEST_KAFKA_BROKERS";
/// The variable whose value `required` makes trials without servers fail.
const SERVERS: &str = "AUTHME_TEST_SERVERS";

/// The time limit of a trial, which is more than any trial takes.
const TIMEOUT: Duration = Duration::from_mins(10);

/// The runtime that all trials share, because a trial may reuse connections that an earlier one opened.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));

/// The addresses of the servers that the services use.
#[derive(Debug, Clone)]
pub struct Servers {
    pub mongodb_uri: String,
    pub kafka_brokers: String,
}

/// Returns the servers that the environment names; `None` unless it names both.
pub fn servers() -> Option<Servers> {
    Some(Servers {
        mongodb_uri: variable(MONGODB_URI)?,
        kafka_brokers: variable(KAFKA_BROKERS)?,
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "the servers of a test are not an AuthMe setting"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Returns a trial that needs the servers. Without servers it is ignored, or fails if servers are required.
pub fn trial_on_servers<T, F>(name: &str, trial: T) -> Trial
where
    T: FnOnce(Servers) -> F + Send + 'static,
    F: Future<Output = ()>,
{
    let servers = servers();
    let is_required = variable(SERVERS).is_some_and(|servers| servers == "required");
    let is_ignored = servers.is_none() && !is_required;
    let run = move || {
        let servers = servers.ok_or_else(|| format!("{MONGODB_URI} and {KAFKA_BROKERS} name no servers"))?;
        let result = RUNTIME.block_on(async { timeout(TIMEOUT, trial(servers)).await });
        result.map_err(|_| Failed::from("the trial took more than ten minutes"))
    };
    Trial::test(name, run).with_ignored_flag(is_ignored)
}
