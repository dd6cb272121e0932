//! Random numbers of the operating system: ids, seeds, jitter.

use std::sync::Arc;

/// Random bytes, asked for each time: out of a buffer, a machine that is restored twice from one snapshot would give the
/// same ids out twice. A machine without a source of them can't run anything safely, but never makes us panic: the clock
/// and a counter stand in for jitter, and ids stay unique.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    if getrandom::fill(&mut bytes).is_err() {
        use std::sync::atomic::{AtomicU64, Ordering};
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_nanos();
        let mixed = crate::digest::Digests::new(now.to_le_bytes()).of(
            "random",
            [&COUNT.fetch_add(1, Ordering::Relaxed).to_le_bytes()[..], &std::process::id().to_le_bytes()],
        );
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = mixed.0[at % mixed.0.len()];
        }
    }
    bytes
}

pub(crate) fn byte() -> u8 {
    bytes::<1>()[0]
}

const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// A new id, ascending in time: 48 bits of milliseconds and 80 random ones, in 26 letters and digits
/// (Crockford's base 32, as in the ULID specification, lower case).
pub(crate) fn id() -> Arc<str> {
    id_of(bytes())
}

/// The seed of an execution.
pub(crate) fn seed() -> u64 {
    u64::from_le_bytes(bytes())
}

/// A new id and a seed, drawn together: each draw is a call of the operating system.
pub(crate) fn id_and_seed() -> (Arc<str>, u64) {
    let (mut id, mut seed) = ([0; 10], [0; 8]);
    let drawn = bytes::<18>();
    id.copy_from_slice(&drawn[..10]);
    seed.copy_from_slice(&drawn[10..]);
    (id_of(id), u64::from_le_bytes(seed))
}

fn id_of(random: [u8; 10]) -> Arc<str> {
    let millis = crate::store::Stamp::now().0.max(0).unsigned_abs() & 0xFFFF_FFFF_FFFF;
    let mut number = u128::from(millis) << 80;
    for (at, byte) in random.iter().enumerate() {
        number |= u128::from(*byte) << (8 * (9 - at));
    }
    let letters: [u8; 26] = std::array::from_fn(|at| LETTERS[(number >> (5 * (25 - at)) & 31) as usize]);
    std::str::from_utf8(&letters).unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_ascend_in_time_and_are_drawn_with_a_seed_of_their_own() {
        let first = id();
        std::thread::sleep(std::time::Duration::from_millis(2));
        let ((second, seed), (third, another)) = (id_and_seed(), id_and_seed());
        assert!(first < second && first[..10] < third[..10], "{first} {second} {third}");
        assert!(second[10..] != third[10..] && seed != another);
        for id in [first, second, third] {
            assert!(id.len() == 26 && id.bytes().all(|letter| LETTERS.contains(&letter)), "{id}");
        }
    }
}
