//! The settings of `authme serve` and of the operator's commands.

use std::path::Path;

use adapter_delivery::DeliverySettings;
use adapter_http::{HttpSettings, LimitSettings};
use service_assembly::settings::{
    self, AcceptedTokenSettings, CODE_SECRET, COMMON, CodeSettings, DEPLOYED, HTTP, ISSUER, IssuerSettings,
    REFRESH_SECRET, SENDER, VERIFIER,
};
use service_runtime::{Loaded, LogSettings, Program, SettingsError};

use crate::{CommandError, DataFolder};

/// The settings of one process that serves all contexts.
#[derive(Debug, Clone)]
pub struct Settings {
    pub http: HttpSettings,
    pub limits: LimitSettings,
    pub accepted_tokens: AcceptedTokenSettings,
    pub issuer: IssuerSettings,
    pub codes: CodeSettings,
    pub log: LogSettings,
}

impl Settings {
    fn read(loaded: &Loaded) -> Result<Self, SettingsError> {
        Ok(Self {
            http: loaded.read()?,
            limits: loaded.read()?,
            accepted_tokens: loaded.read()?,
            issuer: IssuerSettings::read(loaded)?,
            codes: loaded.read()?,
            log: loaded.read()?,
        })
    }
}

fn program(accepts_others: bool) -> Program {
    Program {
        sections: [HTTP, COMMON, ISSUER, SENDER].concat(),
        others: [DEPLOYED, VERIFIER, REFRESH_SECRET, CODE_SECRET].concat(),
        unlisted: &["store", "kafka"],
        accepts_others,
        requires_settings: false,
        defaults: "http = { drain = '0s', docs = true }\ntokens = { audience = 'authme' }",
    }
}

/// Loads the settings of a server: the defaults, overridden by the file, overridden by the environment.
pub fn server_settings(file: Option<&Path>) -> Result<Settings, CommandError> {
    load_server(file).map(|(_, settings)| settings)
}

/// Loads the settings of a server, and returns them also in the form from which the delivery is read.
pub(crate) fn load_server(file: Option<&Path>) -> Result<(Loaded, Settings), CommandError> {
    let invalid = CommandError::context("the settings are invalid");
    let loaded = program(false).load(file);
    let read = loaded.and_then(|loaded| Settings::read(&loaded).map(|settings| (loaded, settings)));
    read.map_err(invalid)
}

/// Loads the settings of an operator's command: the defaults, overridden by the environment. There is no file. The
/// environment may have the variables of deployed services.
pub(crate) fn operator_settings() -> Result<Settings, CommandError> {
    let loaded = program(true).load(None);
    let settings = loaded.and_then(|loaded| Settings::read(&loaded));
    settings.map_err(CommandError::context("the settings are invalid"))
}

/// Returns the delivery settings. If neither a mail server nor a gateway is configured, all codes are written into a file
/// of the data folder.
pub(crate) fn delivery(loaded: &Loaded, data: &DataFolder) -> Result<DeliverySettings, CommandError> {
    let config = settings::delivery(loaded).map_err(CommandError::context("the settings are invalid"))?;
    let settings = config.into_settings(Some(data.outgoing_codes()), adapter_crypto::read_private);
    settings.map_err(CommandError::context("the delivery of codes cannot be set up"))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;

    #[test]
    fn codes_go_into_the_data_folder_without_servers() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::open(folder.path().join("data")).unwrap();
        let local = delivery(&load_server(None).unwrap().0, &data).unwrap();
        assert_eq!(local.file(), Some(data.outgoing_codes().as_path()));
        let file = folder.path().join("authme.toml");
        fs::write(&file, "[smtp]\nhost = 'mail.example'\nfrom = 'a@example.com'\n").unwrap();
        let error = delivery(&load_server(Some(&file)).unwrap().0, &data).unwrap_err();
        let error = format!("{error:?} {error}");
        assert!(error.contains("sms.url"), "{error}");
    }

    #[test]
    fn a_local_server_needs_no_settings() {
        let settings = server_settings(None).unwrap();
        assert_eq!(settings.http.drain, Duration::ZERO);
        assert!(settings.http.serves_docs);
        assert_eq!(settings.accepted_tokens.issuer, "");
        assert_eq!(settings.accepted_tokens.audience, "authme");
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
