//! What the three services are made of: one store, one stream of events, one way to start and to end.

mod arguments;
mod check;
mod context;
mod kafka;
mod keys;
mod running;
mod shared;
mod store;
mod topics;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _};
use service_runtime::{Binary, CommandError, Loaded, ServiceSettings, load, start_logs};

use arguments::Arguments;
pub use context::Context;
pub use shared::Shared;

/// A service: what it is called, its defaults, and how its context is wired.
pub struct Service {
    pub binary: Binary,
    pub name: &'static str,
    /// What it does, for `--help`.
    pub about: &'static str,
    /// The TOML text of its defaults.
    pub defaults: &'static str,
    pub wire: fn(&Shared) -> Result<Context, CommandError>,
}

impl Service {
    /// Does what the command line asks for, until it is done or the process is asked to end.
    pub fn run(&self) -> ExitCode {
        match self.execute() {
            Ok(()) => ExitCode::SUCCESS,
            Err(refusal) => {
                eprintln!("{}: {}", self.name, refusal.report());
                ExitCode::from(1)
            }
        }
    }

    fn execute(&self) -> Result<(), CommandError> {
        let matches = Arguments::command().name(self.name).about(self.about).get_matches();
        let arguments = Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        let refused = || CommandError::context("the settings are refused");
        let loaded = load(self.binary, self.defaults, arguments.config.as_deref()).map_err(refused())?;
        if arguments.print_config {
            return print_line(loaded.print().trim_end());
        }
        let settings = loaded.service().map_err(refused())?;
        start_logs(&settings.log).map_err(CommandError::context("logging cannot be started"))?;
        // The threads of HTTP make the signatures, which are most of the work. Those of the store and of Kafka are fewer: the
        // more of them, the more they wake each other for an answer that one alone had read.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(settings.http.threads().div_ceil(2))
            .enable_all()
            .build();
        let runtime = runtime.map_err(CommandError::context("the runtime cannot be started"))?;
        runtime.block_on(async {
            if arguments.create_topics {
                topics::create(&settings).await
            } else if arguments.check {
                check::run(self, loaded, settings).await
            } else {
                self.serve(loaded, settings).await
            }
        })
    }

    async fn serve(&self, loaded: Loaded, settings: ServiceSettings) -> Result<(), CommandError> {
        running::serve(self, loaded, settings).await
    }
}

/// A line for a person, on stdout.
fn print_line(line: &str) -> Result<(), CommandError> {
    writeln!(std::io::stdout().lock(), "{line}").map_err(CommandError::context("the answer cannot be written"))
}
