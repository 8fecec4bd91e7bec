//! The hash with which Java's producer chooses a partition (`org.apache.kafka.common.utils.Utils.murmur2`).

const M: u32 = 0x5bd1_e995;

fn murmur2(key: &[u8]) -> u32 {
    let length = u32::try_from(key.len()).expect("a key is short");
    let mut hash = 0x9747_b28c ^ length;
    let mut words = key.chunks_exact(4);
    for word in words.by_ref() {
        let mut k = u32::from_le_bytes([word[0], word[1], word[2], word[3]]).wrapping_mul(M);
        k = (k ^ (k >> 24)).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ k;
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        let bytes = rest.iter().rev().fold(0, |bytes, byte| (bytes << 8) | u32::from(*byte));
        hash = (hash ^ bytes).wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^ (hash >> 15)
}

/// Returns the partition of a key in a topic with this number of partitions.
pub(crate) fn partition(key: &[u8], partitions: i32) -> i32 {
    let hash = i32::try_from(murmur2(key) & 0x7fff_ffff).expect("31 bits");
    hash % partitions
}

/// Checks the test vectors of Kafka's own `UtilsTest`.
pub(crate) fn assert_kafka_vectors() {
    for (key, hash) in [
        ("21", -973_932_308),
        ("foobar", -790_332_482),
        ("a-little-bit-long-string", -985_981_536),
        ("a-little-bit-longer-string", -1_486_304_829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
        ("abc", 479_470_107),
    ] {
        assert_eq!(murmur2(key.as_bytes()).cast_signed(), hash, "{key}");
    }
}
