//! Masking of payloads (RFC 6455 §5.3), in place.
//!
//! A free function over a slice, because it touches every byte that a client sends.
//! The same call masks and unmasks.

/// As wide as two AVX2 registers or four of SSE2: the compiler turns one block into whole
/// vector operations without being told of either.
const BLOCK: usize = 64;

/// Combines `bytes` with the mask by exclusive or.
///
/// `phase` is the place of `bytes[0]` in its payload, so that a payload may come in pieces.
///
/// ```
/// let mut bytes = *b"Hello";
/// altavoz::wire::mask::apply([0x37, 0xfa, 0x21, 0x3d], 0, &mut bytes);
/// assert_eq!(bytes, [0x7f, 0x9f, 0x4d, 0x51, 0x58]); // RFC 6455 §5.7
/// ```
pub fn apply(mut mask: [u8; 4], phase: usize, bytes: &mut [u8]) {
    mask.rotate_left(phase % 4);
    let lane = u64::from(u32::from_ne_bytes(mask)) * 0x1_0000_0001;
    let (blocks, rest) = bytes.as_chunks_mut::<BLOCK>();
    for block in blocks {
        apply_lane(lane, block.as_chunks_mut().0);
    }
    let (words, rest) = rest.as_chunks_mut();
    apply_lane(lane, words);
    // Less than a word, at phase 0 again: 4 divides the block and the word.
    for (byte, key) in rest.iter_mut().zip(lane.to_ne_bytes()) {
        *byte ^= key;
    }
}

#[inline(always)]
fn apply_lane(lane: u64, words: &mut [[u8; 8]]) {
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ lane).to_ne_bytes();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The simple twin: RFC 6455 §5.3, word for word.
    fn apply_simply(mask: [u8; 4], phase: usize, bytes: &mut [u8]) {
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte ^= mask[(phase + i) % 4];
        }
    }

    proptest! {
        #[test]
        fn it_does_what_its_simple_twin_does(
            mask: [u8; 4],
            phase in 0usize..1000,
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
            skip in 0usize..9,
        ) {
            // Skipping bytes tries every alignment.
            let skip = skip.min(bytes.len());
            let (mut fast, mut simple) = (bytes.clone(), bytes);
            apply(mask, phase, &mut fast[skip..]);
            apply_simply(mask, phase, &mut simple[skip..]);
            prop_assert_eq!(fast, simple);
        }

        #[test]
        fn pieces_are_masked_like_the_whole(
            mask: [u8; 4],
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
            cut in 0usize..300,
        ) {
            let cut = cut.min(bytes.len());
            let (mut pieces, mut whole) = (bytes.clone(), bytes);
            let (left, right) = pieces.split_at_mut(cut);
            apply(mask, 0, left);
            apply(mask, cut, right);
            apply(mask, 0, &mut whole);
            prop_assert_eq!(pieces, whole);
        }
    }
}
