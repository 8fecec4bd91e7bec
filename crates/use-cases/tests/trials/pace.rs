use std::sync::Arc;

use ports::Clients;

use test_support::calls::PORTAL;
use test_support::fixtures::client_id;

/// The number of yields that replace one round trip.
const YIELDS: usize = 4;

/// The way in which a task lets others go first, for about as long as their calls take.
#[derive(Clone)]
pub(crate) enum Pace {
    /// Calls take microseconds.
    Yields,
    /// Calls go over the network, so a waiting task makes round trips too.
    RoundTrips(Arc<dyn Clients>),
}

impl Pace {
    pub(crate) async fn yield_to_others(&self, times: usize) {
        match self {
            Self::Yields => {
                for _ in 0..times {
                    tokio::task::yield_now().await;
                    std::thread::yield_now();
                }
            }
            Self::RoundTrips(clients) => {
                for _ in 0..times.div_ceil(YIELDS) {
                    clients.find(&client_id(PORTAL)).await.unwrap();
                }
            }
        }
    }
}
