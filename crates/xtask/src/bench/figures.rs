use std::fs;

use serde::Serialize;

/// What was measured, in the order it was.
#[derive(Serialize)]
pub(crate) struct Figures {
    machine: String,
    figures: Vec<Figure>,
}

#[derive(Serialize)]
struct Figure {
    name: &'static str,
    what: String,
    value: f64,
    unit: &'static str,
    /// What is promised, in the same unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    promised: Option<Promise>,
}

/// A bound on a figure.
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

    fn in_words(self) -> String {
        match self {
            Self::AtMost(bound) => format!("at most {bound}"),
            Self::AtLeast(bound) => format!("at least {bound}"),
        }
    }
}

impl Figures {
    pub(crate) fn new() -> Self {
        Self {
            machine: machine(),
            figures: Vec::new(),
        }
    }

    /// A figure that is not promised, only told.
    pub(crate) fn tell(&mut self, name: &'static str, what: impl Into<String>, value: f64, unit: &'static str) {
        eprintln!("  {name}: {value:.3} {unit}");
        self.figures.push(Figure {
            name,
            what: what.into(),
            value,
            unit,
            promised: None,
        });
    }

    pub(crate) fn promise(
        &mut self,
        name: &'static str,
        what: impl Into<String>,
        value: f64,
        promised: (Promise, &'static str),
    ) {
        let (promised, unit) = promised;
        eprintln!("  {name}: {value:.3} {unit}");
        self.figures.push(Figure {
            name,
            what: what.into(),
            value,
            unit,
            promised: Some(promised),
        });
    }

    pub(crate) fn print(&self, json: bool) {
        if json {
            println!("{}", serde_json::to_string_pretty(self).unwrap_or_default());
            return;
        }
        println!("{}", self.machine);
        for figure in &self.figures {
            let verdict = figure.promised.map_or_else(String::new, |promised| {
                let verdict = if promised.holds(figure.value) {
                    "holds"
                } else {
                    "FALLS SHORT"
                };
                format!("  [{}: {verdict}]", promised.in_words())
            });
            println!(
                "{:<24} {:>12.3} {:<10} {}{verdict}",
                figure.name, figure.value, figure.unit, figure.what
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

/// The value below which `percent` of the samples lie.
pub(crate) fn percentile(samples: &mut [f64], percent: usize) -> f64 {
    samples.sort_by(f64::total_cmp);
    let index = (samples.len() * percent / 100).min(samples.len().saturating_sub(1));
    samples.get(index).copied().unwrap_or_default()
}

/// The mean of the middle: of two values their mean.
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
