use std::io;
use std::thread;
use std::time::Duration;

use test_servers::mongodb_proxy::bson::doc;
use test_servers::mongodb_proxy::{Server, resolve_host};
use tokio::runtime::Builder;
use tokio::time::timeout;

const TIMEOUT: Duration = Duration::from_secs(10);

/// Drops a database, because the stores of AuthMe have no such operation and should have none. Keeps the database when
/// the URI has credentials or several hosts.
pub(crate) fn drop_database(uri: &str, name: &str) -> io::Result<()> {
    let authority = uri.split('/').nth(2).unwrap_or_default();
    if authority.contains(['@', ',']) {
        return Ok(());
    }
    let address = resolve_host(uri)?;
    let command = doc! { "dropDatabase": 1, "$db": name };
    // A thread of its own, because the caller may be a task of a runtime.
    let dropping = thread::spawn(move || {
        let drop = async { Server::connect(address).await?.run(&command).await };
        let runtime = Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async { timeout(TIMEOUT, drop).await })?
    });
    let reply = dropping.join().map_err(|_| io::Error::other("the thread panicked"))?;
    reply.map(drop)
}
