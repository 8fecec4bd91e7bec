use clap::Parser;

/// Measure speed and cost against their promises, relative to reference measurements of the same run
#[derive(Parser)]
#[command(bin_name = "cargo xtask bench")]
pub(crate) struct Arguments {
    /// The promises to measure: s1, s2, s3, s4, s5, s6, s7, s8, s9; all if none is named
    names: Vec<String>,
    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,
    /// The length of a load, in seconds; some loads last half as long
    #[arg(long, default_value_t = 8)]
    pub(crate) seconds: u64,
    /// The number of users in the large store of s7
    #[arg(long, default_value_t = 100_000)]
    pub(crate) users: usize,
}

impl Arguments {
    pub(crate) fn prints_json(&self) -> bool {
        self.json
    }

    pub(crate) fn names_one_of(&self, names: &[&str]) -> bool {
        self.names.iter().any(|name| names.contains(&name.as_str()))
    }

    /// Returns whether one of these promises is to be measured.
    pub(crate) fn includes(&self, names: &[&str]) -> bool {
        self.names.is_empty() || self.names_one_of(names)
    }
}
