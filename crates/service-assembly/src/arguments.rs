use std::path::PathBuf;

use clap::Parser;

/// The command line of a service.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub(crate) struct Arguments {
    /// Settings file (TOML). Environment variables (`AUTHME__SECTION__NAME`) override it
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Print the settings in force with the source of each, then exit
    #[arg(long, group = "instead")]
    pub(crate) print_config: bool,
    /// Check the settings, the store, the Kafka brokers and the key set, print the results, then exit
    #[arg(long, group = "instead")]
    pub(crate) check: bool,
    /// Create the missing Kafka topics, list all topics, then exit. For a job before the first start
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
