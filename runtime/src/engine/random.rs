//! Random numbers of the operating system: ids, seeds, jitter.

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
pub(crate) fn id() -> String {
    let millis = crate::store::Stamp::now().0.max(0).unsigned_abs() & 0xFFFF_FFFF_FFFF;
    let random = bytes::<10>();
    let mut number = u128::from(millis) << 80;
    for (at, byte) in random.iter().enumerate() {
        number |= u128::from(*byte) << (8 * (9 - at));
    }
    (0..26).rev().map(|place| char::from(LETTERS[(number >> (5 * place) & 31) as usize])).collect()
}
