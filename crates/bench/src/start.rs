//! S9: the time from the start of the process to its first 200 on readiness.

use test_servers::authme::DataFolder;

use crate::programs::Programs;
use crate::results::{Promise, Results, percentile};
use crate::serve::serve;

const STARTS: usize = 15;

pub(crate) fn measure(programs: &Programs, results: &mut Results) -> anyhow::Result<()> {
    let (mut first, mut later) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let data = DataFolder::new(&programs.authme)?;
        first.push(serve(&data, &[])?.ready_after.as_secs_f64());
        later.push(serve(&data, &[])?.ready_after.as_secs_f64());
    }
    let what = "start to first 200 on readiness, with an existing data folder";
    results.add_promised("S9", what, percentile(&mut later, 50), (Promise::AtMost(0.2), "s"));
    results.add(
        "S9 worst",
        "the slowest of those starts",
        percentile(&mut later, 100),
        "s",
    );
    let what = "the same with an empty folder, in which the store and a signing key are created";
    results.add_promised(
        "S9 first",
        what,
        percentile(&mut first, 50),
        (Promise::AtMost(0.2), "s"),
    );
    results.add(
        "S9 first worst",
        "the slowest of those; the time to generate an RSA key varies",
        percentile(&mut first, 100),
        "s",
    );
    Ok(())
}
