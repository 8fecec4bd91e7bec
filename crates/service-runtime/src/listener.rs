use std::io::ErrorKind;
use std::net::TcpListener;

use crate::CommandError;
use crate::settings::variable_of;

/// Opens the listener of an address setting, such as `http.listen`. `option` is the command-line option that overrides
/// the setting.
pub fn listen(address: &str, setting: &str, option: Option<&str>) -> Result<TcpListener, CommandError> {
    TcpListener::bind(address).map_err(|error| {
        let problem = match error.kind() {
            ErrorKind::AddrInUse => format!("{address} is already in use"),
            _ => format!("{address} cannot be listened on: {error}"),
        };
        let option = option.map(|option| format!("{option} or ")).unwrap_or_default();
        let variable = variable_of(setting);
        CommandError::msg(format!("{problem}; choose another with {option}{setting} ({variable})"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_in_use_is_reported_with_its_setting() {
        let first = listen("127.0.0.1:0", "http.listen", None).unwrap();
        let address = first.local_addr().unwrap().to_string();
        let error = |option| listen(&address, "http.listen", option).unwrap_err().to_string();
        assert_eq!(
            error(None),
            format!("{address} is already in use; choose another with http.listen (AUTHME__HTTP__LISTEN)")
        );
        assert!(error(Some("--listen")).ends_with("with --listen or http.listen (AUTHME__HTTP__LISTEN)"));
        let nonsense = listen("nowhere", "http.management", None).unwrap_err().to_string();
        assert!(nonsense.starts_with("nowhere cannot be listened on: "), "{nonsense}");
        assert!(nonsense.contains("AUTHME__HTTP__MANAGEMENT"), "{nonsense}");
    }
}
