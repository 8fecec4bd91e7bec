//! S7: how the slowest renewals and lists depend on the number of users.

use std::time::{Duration, Instant};

use test_servers::authme::{DataFolder, Server};

use crate::arguments::Arguments;
use crate::load;
use crate::population::{self, Clients, GetClient, RenewalClient, Session, UserIds, contacts_path};
use crate::programs::Programs;
use crate::results::{Promise, Results, percentile};
use crate::serve::serve;

/// The number of users in the small store.
const FEW: usize = 1_000;

/// The number of concurrent connections: enough to keep the server busy, too few to build a queue.
const CONNECTIONS: usize = 8;

/// The number of sessions that each connection uses in turn. They are spread over the users.
const SESSIONS_EACH: usize = 50;

/// The number of measurements per store. The two stores alternate.
const ROUNDS: usize = 3;

struct Store {
    server: Server,
    sessions: Vec<Vec<Session>>,
    renewals: Vec<f64>,
    lists: Vec<f64>,
    _data: DataFolder,
}

pub(crate) fn measure(programs: &Programs, arguments: &Arguments, results: &mut Results) -> anyhow::Result<()> {
    let mut few = Store::open(programs, FEW, results)?;
    let mut many = Store::open(programs, arguments.users, results)?;
    let length = Duration::from_secs(arguments.seconds) / 2;
    for _ in 0..ROUNDS {
        for store in [&mut few, &mut many] {
            store.measure(length)?;
        }
    }
    let mut ratio = |name, what: &str, few: &mut [f64], many: &mut [f64]| {
        let (few, many) = (percentile(few, 50), percentile(many, 50));
        let what = format!(
            "{what} with {} users over {FEW} users ({many:.2} ms over {few:.2} ms)",
            arguments.users
        );
        results.add_promised(name, what, many / few, (Promise::AtMost(1.5), "ratio"));
    };
    ratio("S7 renew", "p99 of renew", &mut few.renewals, &mut many.renewals);
    ratio("S7 list", "p99 of own contacts", &mut few.lists, &mut many.lists);
    Ok(())
}

impl Store {
    #[expect(clippy::cast_precision_loss, reason = "a count of users")]
    fn open(programs: &Programs, users: usize, results: &mut Results) -> anyhow::Result<Self> {
        let data = DataFolder::new(&programs.authme)?;
        let clients = Clients::register(&data)?;
        let begun = Instant::now();
        population::import(&data, UserIds::default(), 0..users)?;
        results.add(
            "import",
            format!("users stored per second by identity import, {users} of them"),
            users as f64 / begun.elapsed().as_secs_f64(),
            "1/s",
        );
        let server = serve(&data, &[])?;
        let step = users / (CONNECTIONS * SESSIONS_EACH);
        let sessions = (0..CONNECTIONS)
            .map(|connection| {
                let of_connection = (0..SESSIONS_EACH).map(|n| (connection * SESSIONS_EACH + n) * step.max(1));
                of_connection
                    .map(|n| clients.start_session(&server, &population::email(n)))
                    .collect()
            })
            .collect::<anyhow::Result<_>>()?;
        Ok(Self {
            server,
            sessions,
            renewals: Vec::new(),
            lists: Vec::new(),
            _data: data,
        })
    }

    fn measure(&mut self, length: Duration) -> anyhow::Result<()> {
        let renewing = self.sessions.iter_mut().map(|sessions| RenewalClient(sessions, 0));
        let mut renewed = load::run(&self.server, renewing.collect(), length)?;
        self.renewals.push(percentile(&mut renewed.latencies, 99));
        let path = contacts_path();
        let listing = self.sessions.iter().map(|sessions| GetClient(&path, sessions, 0));
        let mut listed = load::run(&self.server, listing.collect(), length)?;
        self.lists.push(percentile(&mut listed.latencies, 99));
        Ok(())
    }
}
