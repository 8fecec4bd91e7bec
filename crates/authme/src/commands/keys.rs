use std::process::ExitCode;

use adapter_crypto::{KeyDirectory, KeyEntry, KeyError, RevokedKey};
use clap::Subcommand;
use domain::time::{self, Timestamp};
use jiff::SignedDuration;
use ports::Clock as _;
use serde::Serialize;
use service_runtime::SystemClock;

use super::{Access, CommandTarget, announce_new, print};
use crate::settings::key_set_cache_time;
use service_assembly::DataFolder;

use crate::CommandError;

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Print every signing key, including revoked ones
    List,
    /// Generate a signing key and publish it
    #[command(
        after_help = "Verifiers may cache the key set for the time in the setting `keys.cache_time`. \
        A new key therefore signs only after that time, unless it is the first key."
    )]
    Generate {
        /// Time from which the key signs (RFC 3339) [default: now plus `keys.cache_time`; now for the first key]
        #[arg(long, value_name = "TIME")]
        signs_from: Option<Timestamp>,
        /// Accept an earlier time. Verifiers reject tokens of the key until they have read the new key set
        #[arg(long)]
        force: bool,
    },
    /// Stop a key from signing; its tokens stay valid until they expire
    #[command(
        after_help = "The key stops signing 5 s after the command, so that every process has read the change. \
        It stays in the key set until the last token that it signed has expired."
    )]
    Retire {
        /// Key ID (`kid`), as `authme keys list` prints it. It may start with a hyphen
        #[arg(allow_hyphen_values = true)]
        kid: String,
    },
    /// Remove a key from the key set for good; its tokens are rejected
    Revoke {
        /// Key ID (`kid`), as `authme keys list` prints it. It may start with a hyphen
        #[arg(allow_hyphen_values = true)]
        kid: String,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct KeyLine {
    kid: String,
    signs_from: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    retired_at: Option<Timestamp>,
}

impl From<KeyEntry> for KeyLine {
    fn from(key: KeyEntry) -> Self {
        Self {
            kid: key.id,
            signs_from: key.signs_from,
            retired_at: key.retired_at,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RevokedKeyLine {
    kid: String,
    revoked_at: Timestamp,
}

impl From<RevokedKey> for RevokedKeyLine {
    fn from(key: RevokedKey) -> Self {
        Self {
            kid: key.id,
            revoked_at: key.revoked_at,
        }
    }
}

pub(crate) fn run(target: &CommandTarget, command: KeysCommand) -> Result<ExitCode, CommandError> {
    let keys = open_folder(target, &command)?.keys();
    let now = SystemClock.now();
    let changed = match command {
        KeysCommand::List => {
            list(&keys)?;
            None
        }
        KeysCommand::Generate { signs_from, force } => {
            let signs_from = resolve_signs_from(&keys, signs_from, force, now)?;
            let key = keys
                .generate(signs_from)
                .map_err(CommandError::context("the key cannot be created"))?;
            let kid = key.id.clone();
            print(&KeyLine::from(key))?;
            Some(kid)
        }
        KeysCommand::Retire { kid } => {
            check_change(keys.retire(&kid, now))?;
            Some(kid)
        }
        KeysCommand::Revoke { kid } => {
            check_change(keys.revoke(&kid, now))?;
            Some(kid)
        }
    };
    if let Some(kid) = changed {
        target.audit_of_folder()?.record(&[("key", &kid)], None, Vec::new());
    }
    Ok(ExitCode::SUCCESS)
}

/// Opens the folder of the keys. With a deployed store it holds nothing else.
fn open_folder(target: &CommandTarget, command: &KeysCommand) -> Result<DataFolder, CommandError> {
    if target.is_deployed() {
        return Ok(DataFolder::unchecked(target.folder()));
    }
    if matches!(command, KeysCommand::List) {
        return target.data(Access::Read);
    }
    let data = DataFolder::open_for_keys(target.folder())?;
    announce_new(&data);
    Ok(data)
}

fn check_change(result: Result<(), KeyError>) -> Result<(), CommandError> {
    match result {
        Err(error @ (KeyError::UnknownKey(_) | KeyError::LastKey(_))) => Err(CommandError::msg(error.to_string())),
        result => result.map_err(CommandError::context("the key cannot be changed")),
    }
}

fn list(keys: &KeyDirectory) -> Result<(), CommandError> {
    let unreadable = || CommandError::context("the keys cannot be read");
    for key in keys.list().map_err(unreadable())? {
        print(&KeyLine::from(key))?;
    }
    for key in keys.revoked_keys().map_err(unreadable())? {
        print(&RevokedKeyLine::from(key))?;
    }
    Ok(())
}

/// Returns the time from which a new key signs. The first key signs immediately. Any other key waits for the cache
/// time of the key set, so that every verifier knows it before it signs: docs/protocols.md "Signing keys".
fn resolve_signs_from(
    keys: &KeyDirectory,
    given: Option<Timestamp>,
    force: bool,
    now: Timestamp,
) -> Result<Timestamp, CommandError> {
    let keys = keys.list().map_err(CommandError::context("the keys cannot be read"))?;
    if keys.is_empty() {
        return Ok(given.unwrap_or(now));
    }
    let cache_time = key_set_cache_time()?;
    let earliest = time::after(now, cache_time);
    match given {
        Some(given) if given < earliest && !force => Err(CommandError::msg(format!(
            "verifiers cache the key set for up to {:#} (keys.cache_time), and until then they reject tokens of a key that they \
             do not know: omit --signs-from, or add --force",
            SignedDuration::try_from(cache_time).unwrap_or(SignedDuration::MAX)
        ))),
        given => Ok(given.unwrap_or(earliest)),
    }
}
