use std::path::PathBuf;

use clap::Parser;

/// The command line of a service.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub(crate) struct Arguments {
    /// Settings file (TOML); the environment (`AUTHME__SECTION__NAME`) wins
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Show the settings in force and where each came from, then exit
    #[arg(long, group = "instead")]
    pub(crate) print_config: bool,
    /// Check the settings, reach the store, say what brokers and key set answer, then exit
    #[arg(long, group = "instead")]
    pub(crate) check: bool,
    /// Make the topics that are missing, say which, then exit: for a job before the first start
    #[arg(long, group = "instead")]
    pub(crate) create_topics: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn actions_exclude_each_other() {
        Arguments::command().debug_assert();
        assert!(Arguments::try_parse_from(["service", "--check"]).is_ok());
        assert!(Arguments::try_parse_from(["service", "--check", "--print-config"]).is_err());
        assert!(Arguments::try_parse_from(["service", "--create-topics", "--check"]).is_err());
    }
}
