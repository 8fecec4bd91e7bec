use clap::{Parser, ValueEnum};

/// Test the promises of correctness repeatedly under races and faults
#[derive(Parser)]
#[command(bin_name = "cargo xtask trial")]
pub(crate) struct Arguments {
    /// The trial to run
    #[arg(value_enum)]
    pub(crate) name: Name,
    /// The stores on which c1, c2, c3, c4, c10, c12, c13 and v run
    #[arg(long, value_enum, default_value_t = Stores::Sqlite)]
    pub(crate) store: Stores,
    /// The number of rounds, instead of the default of the trial
    #[arg(long, value_name = "N")]
    pub(crate) rounds: Option<usize>,
    /// The seed that another run printed, to repeat its random choices
    #[arg(long)]
    pub(crate) seed: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Name {
    /// Many clients renew one refresh token at the same time
    C1,
    /// A used refresh token is replayed
    C2,
    /// The response of a renewal is lost
    C3,
    /// A lock races with every operation that mints tokens
    C4,
    /// Many clients use one validation token, or send the first SAML login of a user, at the same time
    V,
    /// A service is killed between the commit of a command and the publication of its event
    C5,
    /// The broker is stopped for as many seconds as there are rounds
    C6,
    /// A relay is paused until its lease has expired
    C7,
    /// The store is unreachable, is slow, hangs or cuts its replies short
    C8,
    /// The server is killed under load, and its write-ahead log is torn
    C9,
    /// Processes get SIGTERM under load: `authme serve`, or the services
    C10,
    /// Signing keys rotate while tokens are renewed and verified
    C11,
    /// Many clients try wrong codes for one challenge at the same time
    C12,
    /// Many clients validate the right code at the same time
    C13,
    /// Users are locked on a new primary while a partitioned old primary still serves reads and writes
    C15,
    /// A batch of rotations fails in part: rejected statements, unacknowledged writes, closed connections
    C16,
    /// The disk is full; the store is backed up under load and restored, with a thousand users for each round; backups and
    /// restores are killed
    C21,
    /// Every operation is called with tokens that are no longer active, such as after a lock or a logout
    C22,
    /// Peers without a token try to exhaust memory: connections that never read, methods of any name
    Strangers,
    /// An abandoned command reaches the store after a later command was acknowledged
    Late,
    /// All trials; `--store sqlite` leaves out the trials of the services (c5 to c8, c11, c15, c16 and late)
    All,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Stores {
    /// One local file
    Sqlite,
    /// The server that `AUTHME_TEST_MONGODB_URI` names, or the one that `servers up` starts
    Mongodb,
    /// Both stores, one after the other
    Both,
}

impl Stores {
    const fn each(self) -> &'static [Store] {
        match self {
            Self::Sqlite => &[Store::Sqlite],
            Self::Mongodb => &[Store::Mongodb],
            Self::Both => &[Store::Sqlite, Store::Mongodb],
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Store {
    Sqlite,
    Mongodb,
}

impl Store {
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Mongodb => "mongodb",
        }
    }
}

pub(crate) const TRIALS_WITHOUT_SERVERS: [Name; 12] = [
    Name::C1,
    Name::C2,
    Name::C3,
    Name::C4,
    Name::V,
    Name::C9,
    Name::C10,
    Name::C12,
    Name::C13,
    Name::C21,
    Name::C22,
    Name::Strangers,
];

pub(crate) const TRIALS_OF_SERVICES: [Name; 8] = [
    Name::C5,
    Name::C6,
    Name::C7,
    Name::C8,
    Name::C11,
    Name::C15,
    Name::C16,
    Name::Late,
];

impl Name {
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::C1 => "c1",
            Self::C2 => "c2",
            Self::C3 => "c3",
            Self::C4 => "c4",
            Self::V => "v",
            Self::C5 => "c5",
            Self::C6 => "c6",
            Self::C7 => "c7",
            Self::C8 => "c8",
            Self::C9 => "c9",
            Self::C10 => "c10",
            Self::C11 => "c11",
            Self::C12 => "c12",
            Self::C13 => "c13",
            Self::C15 => "c15",
            Self::C16 => "c16",
            Self::Late => "late",
            Self::C21 => "c21",
            Self::C22 => "c22",
            Self::Strangers => "strangers",
            Self::All => "all",
        }
    }

    /// Returns the default number of rounds.
    pub(crate) const fn rounds(self) -> usize {
        match self {
            Self::C7 | Self::C8 | Self::C22 => 10,
            Self::C11 | Self::C16 | Self::Late => 20,
            Self::C10 | Self::C15 => 50,
            Self::Strangers => 3_000,
            Self::C6 => 60,
            Self::C1 | Self::C2 | Self::C5 | Self::C9 | Self::C21 => 100,
            Self::V => 200,
            Self::C12 => 500,
            Self::C3 | Self::C4 | Self::C13 | Self::All => 1000,
        }
    }

    /// Returns the stores on which the trial runs if `requested` was requested.
    pub(crate) fn stores(self, requested: Stores) -> &'static [Store] {
        match self {
            Self::C9 | Self::C21 | Self::C22 | Self::Strangers => &[Store::Sqlite],
            name if TRIALS_OF_SERVICES.contains(&name) => &[Store::Mongodb],
            _ => requested.each(),
        }
    }
}
