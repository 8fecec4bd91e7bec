//! `authme demo`: a scenario over real HTTP, against a server in a temporary folder.

mod fixtures;
mod page;
mod runner;

use std::io::{self, IsTerminal as _, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use ports::Clock as _;
use service_runtime::{Signals, SystemClock};
use tempfile::TempDir;

use self::fixtures::{DESK, EMAIL, GATEWAY, PORTAL, register};
use self::page::{LineStyle, Page};
use self::runner::{DemoError, DemoRunner, Summary};
use crate::scenario::Values;
use crate::serve::audit_log;
use service_assembly::{DataFolder, Listeners, Running};

use crate::{CommandError, default_settings, serve};

/// The exit code that shells expect after SIGINT: 128 + 2.
const INTERRUPTED: u8 = 130;

/// Runs `authme demo`.
pub(crate) fn run(keep: bool) -> Result<ExitCode, CommandError> {
    let stdout = io::stdout();
    let mut page = Page::new(stdout.lock(), stdout.is_terminal());
    crate::runtime::on_runtime(async {
        let mut signals = Signals::install().map_err(CommandError::context("signals cannot be received"))?;
        let server = tokio::select! {
            // The signal is polled first. If it arrives before the server has started, the demo ends without a server.
            biased;
            () = signals.recv() => return Ok(ExitCode::from(INTERRUPTED)),
            server = DemoServer::start() => server?,
        };
        let outcome = tokio::select! {
            outcome = run_scenario(&mut page, &server, keep) => outcome,
            () = signals.recv() => Err(DemoError::Interrupted),
        };
        if keep && outcome.is_ok() {
            signals.recv().await;
        }
        server.stop().await?;
        match outcome {
            Ok(()) => Ok(ExitCode::SUCCESS),
            Err(DemoError::UnexpectedResponse) => Ok(ExitCode::FAILURE),
            Err(DemoError::Interrupted) => Ok(ExitCode::from(INTERRUPTED)),
            // The user has quit a pager, which closed the pipe.
            Err(DemoError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
            Err(DemoError::Output(error)) => Err(CommandError::context("the demo cannot be printed")(error)),
            Err(DemoError::Command(error)) => Err(error),
        }
    })
}

/// A server on free ports, with the fixtures in a temporary folder.
struct DemoServer {
    folder: TempDir,
    running: Running,
    /// The ids and secrets of the fixtures.
    values: Values,
    /// The file into which the server writes one-time codes.
    codes_file: PathBuf,
}

impl DemoServer {
    async fn start() -> Result<Self, CommandError> {
        let folder = tempfile::Builder::new().prefix("authme-demo-").tempdir();
        let folder = folder.map_err(CommandError::context("the temporary folder cannot be created"))?;
        let data = DataFolder::open_or_create(folder.path(), SystemClock.now())?;
        let values = register(&data).await?;
        let (codes_file, audit) = (data.outgoing_codes(), audit_log(&data)?);
        let listeners = Listeners::bind("127.0.0.1:0", "127.0.0.1:0", [None, None])?;
        Ok(Self {
            running: serve::start(&data, default_settings()?, audit, listeners)?,
            codes_file,
            folder,
            values,
        })
    }

    /// Stops the server and removes the folder.
    async fn stop(self) -> Result<(), CommandError> {
        self.running.stop().await;
        let removed = self.folder.close();
        removed.map_err(CommandError::context("the temporary folder cannot be removed"))
    }
}

async fn run_scenario<W: Write>(page: &mut Page<W>, server: &DemoServer, keep: bool) -> Result<(), DemoError> {
    let started = Instant::now();
    introduce(page, server)?;
    let secrets = server.values.iter().filter(|(name, _)| name.starts_with("basic."));
    secrets.for_each(|(_, secret)| page.hide(secret, 0));
    let url = format!("http://{}", server.running.address);
    let runner = DemoRunner::new(page, url, &server.codes_file, server.values.clone())?;
    let summary = runner.run().await?;
    page.print_blank()?;
    conclude(page, summary, started.elapsed())?;
    page.print_blank()?;
    if keep {
        print_addresses(page, server)?;
    } else {
        print_next_commands(page)?;
    }
    Ok(())
}

fn introduce<W: Write>(page: &mut Page<W>, server: &DemoServer) -> io::Result<()> {
    let title = "AuthMe demo: a SAML login, a contact, and a credential lock";
    page.print(LineStyle::Heading, "", title)?;
    let words = format!(
        "The employees of a company use a portal. They log in at their company (SAML), not at the portal. AuthMe \
         exchanges that login for signed tokens, stores the contacts that users verify, and locks credentials. Every \
         request below goes over HTTP to http://{}. The server keeps its data in a temporary folder. Secrets and \
         tokens are shortened with an ellipsis (…).",
        server.running.address
    );
    page.print(LineStyle::Plain, "", &words)?;
    page.print_blank()?;
    for (name, description) in [
        (GATEWAY, "a client: reports SAML logins to AuthMe"),
        (PORTAL, "a client: the application; renews tokens and adds contacts"),
        (DESK, "a client: locks credentials and reads events"),
        ("Ana Souza", &*format!("a user, registered with {EMAIL}")),
    ] {
        page.print(LineStyle::Plain, &format!("  {name:<14} "), description)?;
    }
    Ok(())
}

fn conclude<W: Write>(page: &mut Page<W>, summary: Summary, elapsed: Duration) -> io::Result<()> {
    let words = format!(
        "{} steps with {} requests in {} ms; every response was as expected.\n\
         Ana got her tokens for one SAML login. One request locked her credential, and other services could read it \
         from the events.",
        summary.steps,
        summary.requests,
        elapsed.as_millis()
    );
    page.print(LineStyle::Success, "", &words)
}

fn print_next_commands<W: Write>(page: &mut Page<W>) -> io::Result<()> {
    page.print(LineStyle::Plain, "", "Next:")?;
    for (command, description) in [
        (
            "authme demo --keep",
            "runs the demo again and keeps its server running, with the API reference at /docs",
        ),
        (
            "authme serve",
            "serves http://127.0.0.1:8080 and stores its data in ./authme-data",
        ),
        ("authme help", "lists the commands for clients, users, groups and keys"),
    ] {
        page.print(LineStyle::Plain, &format!("  {command:<20}"), description)?;
    }
    Ok(())
}

fn print_addresses<W: Write>(page: &mut Page<W>, server: &DemoServer) -> io::Result<()> {
    let (api, management) = (server.running.address, server.running.management);
    let folder = server.folder.path().display();
    let words = "The server runs until Ctrl-C, which also removes the folder:";
    page.print(LineStyle::Plain, "", words)?;
    page.print_whole(&format!("  API        http://{api}"))?;
    page.print_whole(&format!("  reference  http://{api}/docs"))?;
    page.print_whole(&format!("  metrics    http://{management}/metrics"))?;
    page.print_whole(&format!("  folder     {folder}"))?;
    page.print(
        LineStyle::Plain,
        "",
        "This command prints a client secret for requests of your own:",
    )?;
    page.print_whole(&format!("  authme --data {folder} client rotate-secret portal"))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::text::WIDTH;

    /// The result of a complete demo.
    struct DemoRun {
        outcome: Result<(), DemoError>,
        output: String,
        secrets: Vec<String>,
        folder: PathBuf,
    }

    fn run_demo(keep: bool, change: fn(&mut DemoServer)) -> DemoRun {
        let mut output = Vec::new();
        let mut page = Page::new(&mut output, false);
        let (outcome, folder) = crate::runtime::on_runtime(async {
            let mut server = DemoServer::start().await?;
            change(&mut server);
            let outcome = run_scenario(&mut page, &server, keep).await;
            let folder = server.folder.path().to_owned();
            server.stop().await?;
            Ok((outcome, folder))
        })
        .unwrap();
        let secrets = page.secrets().map(str::to_owned).collect();
        DemoRun {
            outcome,
            output: String::from_utf8(output).unwrap(),
            secrets,
            folder,
        }
    }

    #[test]
    fn the_demo_completes_and_removes_its_folder() {
        let run = run_demo(false, |_| ());
        assert!(run.outcome.is_ok(), "{}", run.output);
        assert!(run.output.contains("13. "), "{}", run.output);
        assert!(!run.folder.exists());
    }

    #[test]
    fn the_page_fits_eighty_columns_and_few_screens() {
        for keep in [false, true] {
            let output = run_demo(keep, |_| ()).output;
            let long: Vec<&str> = output.lines().filter(|line| line.chars().count() > WIDTH).collect();
            assert!(long.is_empty(), "{long:#?}");
            assert!(output.lines().count() <= 220, "{output}");
            assert!(!output.contains('\x1b'), "{output}");
        }
    }

    #[test]
    fn no_secret_and_no_token_is_printed_whole() {
        let run = run_demo(false, |_| ());
        // Three client secrets, three client tokens, a validation token, and three renewals: three access tokens and
        // two refresh tokens, because the repeated renewal returns the same refresh token.
        assert_eq!(run.secrets.len(), 3 + 3 + 1 + 5);
        for secret in &run.secrets {
            assert!(!run.output.contains(secret), "{secret} in {}", run.output);
        }
        // A word as long as a secret would be a secret that is not hidden. IDs are shorter. The challenge ID is as long,
        // but harmless: it is useless without its code, which is used up.
        let words = run.output.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let challenge = run.output.split("\"challengeId\": \"").nth(1).unwrap();
        let long: Vec<&str> = words
            .filter(|word| word.len() >= 32 && !challenge.starts_with(word))
            .collect();
        assert!(long.is_empty(), "{long:?}");
    }

    #[test]
    fn an_unexpected_response_ends_the_demo() {
        let run = run_demo(false, |server| {
            server.values.insert("user".to_owned(), "another-user".to_owned());
        });
        assert!(
            matches!(run.outcome, Err(DemoError::UnexpectedResponse)),
            "{}",
            run.output
        );
        let mismatch = "`/userId`: expected \"another-user\", got ";
        assert!(run.output.contains(mismatch), "{}", run.output);
        assert!(!run.output.contains(" 3. "), "{}", run.output);
        assert!(!run.folder.exists());
    }
}
