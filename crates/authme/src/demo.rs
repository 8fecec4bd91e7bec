//! `authme demo`: the main job, told as a story over real HTTP in a temporary folder.

mod cast;
mod expected;
mod http_client;
mod json_layout;
mod page;
mod story;
mod storyteller;

use std::io::{self, IsTerminal as _, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use adapter_delivery::DeliverySettings;
use service_runtime::{Settings, Signals};
use tempfile::TempDir;

use self::cast::{Cast, EMAIL, register};
use self::page::{Look, Page};
use self::story::Story;
use self::storyteller::Interruption;
use crate::serve::audit_log;
use crate::{CommandError, DataFolder, Listeners, Running, defaults};

/// What a shell expects of a program that was interrupted.
const INTERRUPTED: u8 = 130;

/// `authme demo`.
pub(crate) fn run(keep: bool) -> Result<ExitCode, CommandError> {
    let stdout = io::stdout();
    let mut page = Page::new(stdout.lock(), stdout.is_terminal());
    crate::runtime::on_runtime(async {
        let mut signals = Signals::install().map_err(CommandError::context("signals cannot be heard"))?;
        let stage = tokio::select! {
            // First, so that the folder is removed whenever it is heard.
            biased;
            () = signals.recv() => return Ok(ExitCode::from(INTERRUPTED)),
            stage = Stage::set() => stage?,
        };
        let told = tokio::select! {
            told = perform(&mut page, &stage, keep) => told,
            () = signals.recv() => Err(Interruption::Asked),
        };
        if keep && told.is_ok() {
            signals.recv().await;
        }
        stage.strike().await?;
        match told {
            Ok(()) => Ok(ExitCode::SUCCESS),
            Err(Interruption::Unmet) => Ok(ExitCode::FAILURE),
            Err(Interruption::Asked) => Ok(ExitCode::from(INTERRUPTED)),
            // Whoever reads has seen enough.
            Err(Interruption::Unprinted(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
            Err(Interruption::Unprinted(error)) => Err(CommandError::context("the story cannot be printed")(error)),
            Err(Interruption::Refused(refusal)) => Err(refusal),
        }
    })
}

/// A server of the demo's own, with everyone the story needs.
struct Stage {
    folder: TempDir,
    running: Running,
    cast: Cast,
    /// The file that codes are written into.
    codes: PathBuf,
}

impl Stage {
    async fn set() -> Result<Self, CommandError> {
        let folder = tempfile::Builder::new().prefix("authme-demo-").tempdir();
        let folder = folder.map_err(CommandError::context("the temporary folder cannot be made"))?;
        let data = DataFolder::open(folder.path())?;
        let cast = register(&data).await?;
        let (codes, audit) = (data.outgoing_codes(), audit_log(&data)?);
        let listeners = Listeners::bind("127.0.0.1:0", "127.0.0.1:0")?;
        Ok(Self {
            running: Running::start(data, settings()?, DeliverySettings::local(&codes), audit, listeners)?,
            codes,
            folder,
            cast,
        })
    }

    /// Stops the server and removes the folder.
    async fn strike(self) -> Result<(), CommandError> {
        self.running.stop(Duration::ZERO).await;
        let removed = self.folder.close();
        removed.map_err(CommandError::context("the temporary folder cannot be removed"))
    }
}

/// The settings in force, but for those that the story speaks of.
fn settings() -> Result<Settings, CommandError> {
    let mut settings = defaults(None)?;
    settings.tokens.issuer = None;
    settings.tokens.access_token_lifetime = Duration::from_mins(5);
    settings.tokens.validation_token_lifetime = Duration::from_mins(1);
    settings.tokens.refresh_grace = Duration::from_secs(30);
    Ok(settings)
}

async fn perform<W: Write>(page: &mut Page<W>, stage: &Stage, keep: bool) -> Result<(), Interruption> {
    let begun = Instant::now();
    introduce(page, stage)?;
    let tally = Story::new(page, stage.running.address, &stage.cast, &stage.codes)
        .tell()
        .await?;
    page.blank()?;
    let summary = format!(
        "{} steps, {} requests, {} ms, and every answer was as it must be.\n\
         Ana got in by her company's login and was locked out with one request, and everyone was told.",
        tally.steps,
        tally.requests,
        begun.elapsed().as_millis()
    );
    page.say(Look::Good, &summary)?;
    what_next(page, stage, keep)?;
    Ok(())
}

fn introduce<W: Write>(page: &mut Page<W>, stage: &Stage) -> io::Result<()> {
    page.say(Look::Heading, "AuthMe: how Ana gets in, and how she is locked out")?;
    let address = stage.running.address;
    let words = format!(
        "A company's people use a portal. They log in at their company (SAML), not at the portal. AuthMe turns that\n\
         login into signed tokens, keeps the contacts people can prove themselves with, and locks them out when it\n\
         has to. All of this happens now, over HTTP, at http://{address}, in a folder that is gone afterwards.\n\
         Secrets and tokens are shortened with an ellipsis. On stage:"
    );
    page.say(Look::Plain, &words)?;
    let Cast {
        gateway, portal, desk, ..
    } = &stage.cast;
    for (who, what) in [
        (gateway.id, "talks to the company's login; may hand users over"),
        (portal.id, "the application; may renew tokens and add contacts"),
        (desk.id, "may lock credentials and follow events"),
        ("Ana Souza", &*format!("a user, registered with {EMAIL}")),
    ] {
        page.say(Look::Plain, &format!("  {who:<14} {what}"))?;
    }
    Ok(())
}

fn what_next<W: Write>(page: &mut Page<W>, stage: &Stage, keep: bool) -> io::Result<()> {
    page.blank()?;
    let words = if keep {
        let folder = stage.folder.path().display();
        format!(
            "It goes on serving, until Ctrl-C ends it and removes the folder:\n  \
               API        http://{0}\n  \
               reference  http://{0}/docs\n  \
               figures    http://{1}/metrics\n  \
               folder     {folder}\n\
             For a secret to try the API with: authme --data {folder} client rotate-secret portal",
            stage.running.address, stage.running.management
        )
    } else {
        "What next:\n  \
           authme demo --keep  tells it again and leaves the server running, with the reference of every operation\n  \
           authme serve        serves http://127.0.0.1:8080, and keeps everything in ./authme-data\n  \
           authme help         has the commands for clients, users, groups and keys"
            .to_owned()
    };
    page.say(Look::Plain, &words)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    /// What a whole demo left behind.
    struct Left {
        told: Result<(), Interruption>,
        output: String,
        secrets: Vec<String>,
        folder: PathBuf,
    }

    fn demo(change: fn(&mut Stage)) -> Left {
        let mut output = Vec::new();
        let mut page = Page::new(&mut output, false);
        let (told, folder) = crate::runtime::on_runtime(async {
            let mut stage = Stage::set().await?;
            change(&mut stage);
            let told = perform(&mut page, &stage, false).await;
            let folder = stage.folder.path().to_owned();
            stage.strike().await?;
            Ok((told, folder))
        })
        .unwrap();
        let secrets = page.hidden().map(str::to_owned).collect();
        Left {
            told,
            output: String::from_utf8(output).unwrap(),
            secrets,
            folder,
        }
    }

    #[test]
    fn the_story_is_told_to_its_end_and_leaves_nothing_behind() {
        let left = demo(|_| ());
        assert!(left.told.is_ok(), "{}", left.output);
        assert!(left.output.contains("13. "), "{}", left.output);
        assert!(!left.folder.exists());
    }

    #[test]
    fn the_story_can_be_read_on_a_few_screens() {
        let output = demo(|_| ()).output;
        assert!(output.lines().count() <= 180, "{output}");
        assert!(output.lines().all(|line| line.chars().count() <= 120), "{output}");
        assert!(!output.contains('\x1b'), "{output}");
    }

    #[test]
    fn no_secret_and_no_token_is_printed_whole() {
        let left = demo(|_| ());
        // Three clients; their tokens; a hand-off; three renewals with two tokens each, one refresh token twice.
        assert_eq!(left.secrets.len(), 3 + 3 + 1 + 5);
        for secret in &left.secrets {
            assert!(!left.output.contains(secret), "{secret} in {}", left.output);
        }
        // Whatever is as long as a secret would be one that nobody hid; ids are shorter.
        let words = left.output.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        // The challenge opens nothing without its code, which works no more.
        let challenge = left.output.split("\"challengeId\": \"").nth(1).unwrap();
        let long: Vec<&str> = words
            .filter(|word| word.len() >= 32 && !challenge.starts_with(word))
            .collect();
        assert!(long.is_empty(), "{long:?}");
    }

    #[test]
    fn a_step_that_is_not_answered_as_it_must_be_ends_the_story() {
        let left = demo(|stage| "somebody-else".clone_into(&mut stage.cast.user));
        assert!(matches!(left.told, Err(Interruption::Unmet)), "{}", left.output);
        let expected = "`/userId` must be \"somebody-else\", and is ";
        assert!(left.output.contains(expected), "{}", left.output);
        assert!(!left.output.contains(" 3. "), "{}", left.output);
        assert!(!left.folder.exists());
    }
}
