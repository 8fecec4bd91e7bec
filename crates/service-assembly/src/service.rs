use std::io::Write as _;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _};
use service_runtime::{CommandError, start_logs};

use crate::arguments::Arguments;
use crate::settings::{ServiceSettings, program};
use crate::{Context, Shared, check, running, topics};

/// A service: its name, and the context that it serves.
pub struct Service {
    pub name: &'static str,
    /// The name of the context, such as `tokens`.
    pub context: &'static str,
    /// One line for `--help`.
    pub about: &'static str,
    pub wire: fn(&Shared) -> Result<Context, CommandError>,
}

impl Service {
    /// Runs the action of the command line. Without an action, serves until SIGTERM or SIGINT. Exits with 1 on an
    /// error.
    pub fn run(&self) -> ExitCode {
        match self.execute() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{}: {}", self.name, error.report());
                ExitCode::from(1)
            }
        }
    }

    fn execute(&self) -> Result<(), CommandError> {
        let matches = Arguments::command().name(self.name).about(self.about).get_matches();
        let arguments = Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        let invalid = || CommandError::context("the settings are invalid");
        let loaded = program(self.context)
            .load(arguments.config.as_deref())
            .map_err(invalid())?;
        if arguments.print_config {
            return print_line(loaded.print().trim_end());
        }
        let settings = ServiceSettings::read(&loaded).map_err(invalid())?;
        start_logs(&settings.log).map_err(CommandError::context("logging cannot be started"))?;
        // HTTP threads compute the signatures, which take most of the CPU time. This runtime drives the store and
        // Kafka, for which half as many threads suffice. More threads would wake each other for answers that one thread
        // could read.
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
                running::serve(self, loaded, settings).await
            }
        })
    }
}

/// Writes a line to stdout.
pub(crate) fn print_line(line: &str) -> Result<(), CommandError> {
    writeln!(std::io::stdout().lock(), "{line}").map_err(CommandError::context("stdout cannot be written to"))
}
