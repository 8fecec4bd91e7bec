use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _};
use service_runtime::{CommandError, Loaded, Signals, start_logs};

use crate::app::App;
use crate::arguments::Arguments;
use crate::context::Context;
use crate::deployed_settings::{DeployedSettings, program};
use crate::output::print_line;
use crate::running::{Listeners, Running};
use crate::settings::ProcessSettings;
use crate::store::WaitForStore;
use crate::{check, deployed, topics};

/// A deployed service: its name, and the contexts that it serves.
pub struct Service {
    pub name: &'static str,
    /// One line for `--help`.
    pub about: &'static str,
    pub contexts: &'static [&'static Context],
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
        let loaded = program(self.contexts)
            .load(arguments.config.as_deref())
            .map_err(invalid())?;
        if arguments.print_config {
            return print_line(loaded.print().trim_end());
        }
        let settings = ProcessSettings::read(&loaded).map_err(invalid())?;
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
                topics::create(&DeployedSettings::read(&loaded).map_err(invalid())?.kafka).await
            } else if arguments.check {
                let deployed = deployed::open(self.name, &loaded, WaitForStore::No).await?;
                check::run(self.contexts, deployed, loaded).await
            } else {
                self.serve(loaded, &settings).await
            }
        })
    }

    /// Starts, serves until SIGTERM or SIGINT, and shuts down.
    async fn serve(&self, loaded: Loaded, settings: &ProcessSettings) -> Result<(), CommandError> {
        // Installed first, so that a signal also ends a service that is still waiting for the store.
        let mut signals = Signals::install().map_err(CommandError::context("signal handlers cannot be installed"))?;
        let running = tokio::select! {
            running = self.start(loaded, settings) => running?,
            () = signals.recv() => return Ok(()),
        };
        signals.recv().await;
        running.stop().await;
        Ok(())
    }

    async fn start(&self, loaded: Loaded, settings: &ProcessSettings) -> Result<Running, CommandError> {
        let deployed = deployed::open(self.name, &loaded, WaitForStore::Yes).await?;
        deployed::prepare(&deployed, self.contexts).await?;
        let app = App::assemble(self.contexts, deployed.platform, loaded)?;
        let http = &settings.http;
        let running = Running::start(app, Listeners::bind(&http.listen, &http.management, [None, None])?)?;
        tracing::info!(
            service = self.name,
            api = http.listen,
            management = http.management,
            "serving"
        );
        Ok(running)
    }
}
