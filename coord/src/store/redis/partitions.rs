//! The partitions of a cluster, by which its keys are spread over its slots.
//!
//! A script sees only keys of one slot. So the tokens that a lease is given belong into its slot, as does the index of the
//! records that are listed. One of each for every slot would be too many to be listed, and one for all too few to be spread.
//! There are 256: every name belongs to one of them by its hash, and all keys of a partition begin with its hash tag, which
//! puts them into one slot. These slots are evenly spaced, so that each master of a cluster has its part.

use std::sync::LazyLock;

/// How many partitions there are. What is stored depends on it, so it stays as it is.
pub(super) const PARTITIONS: usize = 256;
/// How many slots each stands for, as its first.
const SPACING: u16 = 64;

/// The partition that a key, a resource or a log belongs to.
pub(super) fn of(name: &str) -> usize {
    usize::from(slot(name.as_bytes()) / SPACING)
}

/// The partition whose channel this is.
pub(super) fn of_channel(channel: &str) -> Option<usize> {
    let tag = channel.strip_prefix('{')?.split('}').next()?;
    let slot = slot(tag.as_bytes());
    slot.is_multiple_of(SPACING)
        .then(|| usize::from(slot / SPACING))
}

/// The hash tag of a partition, in its braces.
pub(super) fn tag(partition: usize) -> &'static str {
    &TAGS[partition]
}

/// The slot that all keys of a partition are in.
pub(super) fn slot_of(partition: usize) -> u16 {
    u16::try_from(partition).unwrap_or_default() * SPACING
}

/// For each partition the first word of five hexadecimal digits that is in its slot.
static TAGS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut tags = vec![String::new(); PARTITIONS];
    let mut missing = PARTITIONS;
    for number in 0..=0xf_ffff_u32 {
        let digits =
            [16, 12, 8, 4, 0].map(|shift| b"0123456789abcdef"[(number >> shift & 15) as usize]);
        let slot = slot(&digits);
        let tag = &mut tags[usize::from(slot / SPACING)];
        if slot.is_multiple_of(SPACING) && tag.is_empty() {
            *tag = format!("{{{number:05x}}}");
            missing -= 1;
            if missing == 0 {
                break;
            }
        }
    }
    tags
});

/// The slot of a hash tag: its CRC-16 in the variant of XMODEM, as Redis Cluster has it.
fn slot(tag: &[u8]) -> u16 {
    const SLOTS: u16 = 16_384;
    let crc = |crc: u16, byte: u8| (crc << 8) ^ CRC[usize::from((crc >> 8) ^ u16::from(byte))];
    tag.iter().copied().fold(0, crc) % SLOTS
}

const CRC: [u16; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "it is less than 256")]
        let mut crc = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 == 0 {
                crc << 1
            } else {
                (crc << 1) ^ 0x1021
            };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_redis() {
        // From the specification of Redis Cluster, and `CLUSTER KEYSLOT`.
        assert_eq!(slot(b"123456789"), 0x31c3);
        assert_eq!(slot(b"foo"), 12_182);
    }

    #[test]
    fn every_partition_has_a_tag_in_its_slot() {
        for (partition, tag) in TAGS.iter().enumerate() {
            let word = tag.trim_matches(['{', '}']);
            assert_eq!(word.len(), 5, "{partition}");
            assert_eq!(slot(word.as_bytes()), slot_of(partition));
            assert_eq!(of_channel(&format!("{tag}coord:wake:1")), Some(partition));
        }
    }

    /// What is stored by one version must be found by the next.
    #[test]
    fn tags_and_partitions_stay() {
        assert_eq!(of("foo"), 12_182 / 64);
        assert_eq!(
            [tag(0), tag(128), tag(255)],
            ["{0083c}", "{40cb1}", "{02c13}"]
        );
    }
}
