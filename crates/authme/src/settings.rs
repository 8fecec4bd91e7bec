//! The settings of `authme serve` and of the operator's commands.

use std::path::Path;
use std::time::Duration;

use service_assembly::settings::{COMMON, DEPLOYED, HTTP, ProcessSettings, VERIFIER};
use service_assembly::{CONTEXTS, CodeSettings, Context, IssuerSettings};
use service_runtime::{Loaded, Program, SettingsError};

use crate::CommandError;

fn program(accepts_others: bool) -> Program {
    Program {
        sections: [HTTP, COMMON, &Context::sections(CONTEXTS)].concat(),
        others: [DEPLOYED, VERIFIER, &Context::secret_sections(CONTEXTS)].concat(),
        unlisted: &["store", "kafka"],
        accepts_others,
        requires_settings: false,
        defaults: "http = { drain = '0s', docs = true }\ntokens = { audience = 'authme' }",
    }
}

/// Loads the settings of a server: the defaults, overridden by the file, overridden by the environment.
pub(crate) fn server_settings(file: Option<&Path>) -> Result<Loaded, CommandError> {
    check(program(false).load(file))
}

/// Returns the settings of a server without a file, whatever the environment has.
pub fn default_settings() -> Result<Loaded, CommandError> {
    check(program(false).load_with(None, []))
}

/// Returns `tokens.longest_access_token_lifetime` for an operator's command.
pub(crate) fn longest_access_token_lifetime() -> Result<Duration, CommandError> {
    let settings = ProcessSettings::read(&operator_settings()?);
    let settings = settings.map_err(CommandError::context("the settings are invalid"))?;
    Ok(settings.tokens.longest_access_token_lifetime)
}

/// Returns `keys.cache_time` for an operator's command.
pub(crate) fn key_set_cache_time() -> Result<Duration, CommandError> {
    let settings = IssuerSettings::read(&operator_settings()?);
    let settings = settings.map_err(CommandError::context("the settings are invalid"))?;
    Ok(settings.keys.cache_time)
}

/// Loads the settings of an operator's command: the defaults, overridden by the environment. There is no file. The
/// environment may have the variables of deployed services.
fn operator_settings() -> Result<Loaded, CommandError> {
    check(program(true).load(None))
}

/// Rejects unusable values of the sections that a server and the commands read.
fn check(loaded: Result<Loaded, SettingsError>) -> Result<Loaded, CommandError> {
    let read = |loaded: Loaded| {
        ProcessSettings::read(&loaded)?;
        IssuerSettings::read(&loaded)?;
        loaded.read::<CodeSettings>()?;
        Ok(loaded)
    };
    loaded
        .and_then(read)
        .map_err(CommandError::context("the settings are invalid"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use service_assembly::settings::delivery;

    use super::*;

    #[test]
    fn codes_go_into_the_data_folder_without_servers() {
        let folder = tempfile::tempdir().unwrap();
        let codes = folder.path().join("outgoing-codes.jsonl");
        let local = delivery(&default_settings().unwrap(), Some(codes.clone())).unwrap();
        assert_eq!(local.file(), Some(codes.as_path()));
        let file = folder.path().join("authme.toml");
        fs::write(
            &file,
            "[smtp]
host = 'mail.example'
from = 'a@example.com'
",
        )
        .unwrap();
        let error = delivery(&server_settings(Some(&file)).unwrap(), Some(codes)).unwrap_err();
        let error = format!("{error:?} {error}");
        assert!(error.contains("sms.url"), "{error}");
    }

    #[test]
    fn a_local_server_needs_no_settings() {
        let settings = ProcessSettings::read(&default_settings().unwrap()).unwrap();
        assert_eq!(settings.http.drain, Duration::ZERO);
        assert!(settings.http.serves_docs);
        assert_eq!(settings.tokens.issuer, "");
        assert_eq!(settings.tokens.audience, "authme");
    }

    #[test]
    fn settings_of_deployed_services_are_accepted_from_operators_only() {
        for variable in [
            "AUTHME__KAFKA__BROKERS",
            "AUTHME__SECRETS__CODES_FILE",
            "AUTHME__RELAY__LEASE",
        ] {
            let load = |accepts_others| {
                let variables = [(variable.to_owned(), "1".to_owned())];
                program(accepts_others).load_with(None, variables)
            };
            assert!(load(true).is_ok(), "{variable}");
            let error = load(false).unwrap_err().to_string();
            assert!(error.ends_with("only other programs of AuthMe read it"), "{error}");
        }
    }
}
