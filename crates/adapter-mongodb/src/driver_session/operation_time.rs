//! `operationTime` as a number, so that the latest one of the process fits into an atomic.

use mongodb::bson::Timestamp as OperationTime;

/// Encodes a time as a number that sorts like the time: seconds in the upper 32 bits, increment in the lower 32.
pub(super) fn to_number(time: OperationTime) -> u64 {
    (u64::from(time.time) << 32) | u64::from(time.increment)
}

pub(super) fn from_number(number: u64) -> OperationTime {
    OperationTime {
        time: u32::try_from(number >> 32).unwrap_or(u32::MAX),
        increment: u32::try_from(number & u64::from(u32::MAX)).unwrap_or(u32::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_operation_times_keep_their_order() {
        let time = |time, increment| OperationTime { time, increment };
        let times = [time(0, 1), time(1, 0), time(1, u32::MAX), time(2, 3)];
        assert!(times.map(to_number).is_sorted());
        assert_eq!(times.map(to_number).map(from_number), times);
    }
}
