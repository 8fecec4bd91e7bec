//! S9: from the start of the process to its first 200 on readiness.

use super::figures::{Figures, Promise, percentile};
use super::process::Data;
use super::programs::Programs;

const STARTS: usize = 15;

pub(crate) fn measure(programs: &Programs, figures: &mut Figures) -> anyhow::Result<()> {
    let (mut first, mut again) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let data = Data::new(&programs.authme)?;
        first.push(data.serve()?.ready_after.as_secs_f64());
        again.push(data.serve()?.ready_after.as_secs_f64());
    }
    let what = "start to first 200 on readiness, over a folder that is there";
    figures.promise("S9", what, percentile(&mut again, 50), (Promise::AtMost(0.2), "s"));
    figures.tell(
        "S9 worst",
        "the slowest of those starts",
        percentile(&mut again, 100),
        "s",
    );
    let what = "the same in an empty folder: the store and a signing key are made";
    figures.promise(
        "S9 first",
        what,
        percentile(&mut first, 50),
        (Promise::AtMost(0.2), "s"),
    );
    figures.tell(
        "S9 first worst",
        "the slowest of those: RSA keys take as long as they take",
        percentile(&mut first, 100),
        "s",
    );
    Ok(())
}
