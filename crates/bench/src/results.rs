use std::fs;

use serde::Serialize;

/// The measurements of a run, in their order.
#[derive(Serialize)]
pub(crate) struct Results {
    machine: String,
    measurements: Vec<Measurement>,
}

#[derive(Serialize)]
struct Measurement {
    name: &'static str,
    description: String,
    value: f64,
    unit: &'static str,
    /// The promised bound, in the same unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    promise: Option<Promise>,
}

/// A bound on a measurement.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Promise {
    AtMost(f64),
    AtLeast(f64),
}

impl Promise {
    fn holds(self, value: f64) -> bool {
        match self {
            Self::AtMost(bound) => value <= bound,
            Self::AtLeast(bound) => value >= bound,
        }
    }

    fn describe(self) -> String {
        match self {
            Self::AtMost(bound) => format!("at most {bound}"),
            Self::AtLeast(bound) => format!("at least {bound}"),
        }
    }
}

impl Results {
    pub(crate) fn new() -> Self {
        Self {
            machine: machine(),
            measurements: Vec::new(),
        }
    }

    /// Adds a measurement without a promise.
    pub(crate) fn add(&mut self, name: &'static str, description: impl Into<String>, value: f64, unit: &'static str) {
        eprintln!("  {name}: {value:.3} {unit}");
        self.measurements.push(Measurement {
            name,
            description: description.into(),
            value,
            unit,
            promise: None,
        });
    }

    /// Adds a measurement with the bound that is promised for it.
    pub(crate) fn add_promised(
        &mut self,
        name: &'static str,
        description: impl Into<String>,
        value: f64,
        (promise, unit): (Promise, &'static str),
    ) {
        eprintln!("  {name}: {value:.3} {unit}");
        self.measurements.push(Measurement {
            name,
            description: description.into(),
            value,
            unit,
            promise: Some(promise),
        });
    }

    pub(crate) fn print(&self, as_json: bool) {
        if as_json {
            println!("{}", serde_json::to_string_pretty(self).unwrap_or_default());
            return;
        }
        println!("{}", self.machine);
        for measurement in &self.measurements {
            let verdict = measurement.promise.map_or_else(String::new, |promise| {
                let verdict = if promise.holds(measurement.value) {
                    "holds"
                } else {
                    "BROKEN"
                };
                format!("  [{}: {verdict}]", promise.describe())
            });
            println!(
                "{:<24} {:>12.3} {:<10} {}{verdict}",
                measurement.name, measurement.value, measurement.unit, measurement.description
            );
        }
    }
}

fn machine() -> String {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find_map(|line| {
        line.strip_prefix("model name")?
            .split_once(": ")
            .map(|(_, name)| name.to_owned())
    });
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!(
        "{cores} cores of {}, Linux",
        model.unwrap_or_else(|| "an unnamed processor".to_owned())
    )
}

/// Returns the value below which `percent` of the samples lie.
pub(crate) fn percentile(samples: &mut [f64], percent: usize) -> f64 {
    samples.sort_by(f64::total_cmp);
    let index = (samples.len() * percent / 100).min(samples.len().saturating_sub(1));
    samples.get(index).copied().unwrap_or_default()
}

/// Returns the middle value. For an even number of values, returns the mean of the two middle values.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    let upper = percentile(&mut values, 50);
    match values.len() {
        even if even > 0 && even % 2 == 0 => values
            .get(even / 2 - 1)
            .map_or(upper, |lower| f64::midpoint(*lower, upper)),
        _ => upper,
    }
}
