use std::path::Path;
use std::process::ExitCode;

use adapter_crypto::KeyEntry;
use clap::Subcommand;
use domain::time::{self, Timestamp};
use ports::Clock as _;
use serde::Serialize;
use service_runtime::SystemClock;

use super::print;
use crate::serve::for_operator;
use crate::{DataFolder, Refusal};

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Print every signing key
    List,
    /// Make a key: published at once, signs later, so that verifiers know it in time
    Generate {
        /// When it begins to sign (RFC 3339) [default: one key set cache time from now]
        #[arg(long, value_name = "TIME")]
        signs_from: Option<Timestamp>,
    },
    /// Stop a key from signing; it verifies until its last token has expired
    Retire {
        /// One key in 64 has a name that begins with a hyphen
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

pub(crate) fn run(data: &Path, command: KeysCommand) -> Result<ExitCode, Refusal> {
    let keys = DataFolder::open(data)?.keys();
    let now = SystemClock.now();
    match command {
        KeysCommand::List => {
            for key in keys.list().map_err(Refusal::while_doing("the keys cannot be read"))? {
                print(&KeyLine::from(key))?;
            }
        }
        KeysCommand::Generate { signs_from } => {
            let is_first = keys
                .list()
                .map_err(Refusal::while_doing("the keys cannot be read"))?
                .is_empty();
            let soon = || Ok::<_, Refusal>(time::after(now, for_operator()?.keys.cache_time));
            let signs_from = match signs_from {
                Some(given) => given,
                None if is_first => now,
                None => soon()?,
            };
            let key = keys
                .generate(signs_from)
                .map_err(Refusal::while_doing("the key cannot be made"))?;
            print(&KeyLine::from(key))?;
        }
        KeysCommand::Retire { kid } => keys
            .retire(&kid, now)
            .map_err(|failure| Refusal::because(failure.to_string()))?,
    }
    Ok(ExitCode::SUCCESS)
}
