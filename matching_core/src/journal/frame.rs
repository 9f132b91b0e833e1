//! One group as bytes: a header of 80 bytes and the records, padded to a multiple of 8.
//!
//! ```text
//!  0 magic u32 · 4 version u16 · 6 zero u16 · 8 payload length u32 · 12 records u32
//! 16 first sequence u64 · 24 time ns u64 · 32 epoch u64 · 40 hash of everything before, 32 bytes
//! 72 CRC-32C of bytes 0..72 and the payload with its padding · 76 zero u32 · 80 payload
//! ```

/// Hash of a journal up to a point, chained over groups with BLAKE3.
pub type ChainHash = [u8; 32];

/// Bytes of a header.
pub const HEADER_BYTES: usize = 80;
/// Largest payload of a group.
pub const PAYLOAD_BYTES_MAX: usize = 16 << 20;
/// Groups start at multiples of this.
pub const ALIGNMENT: usize = 8;

const MAGIC: u32 = 0x31_4A_47_46; // "FGJ1"
/// Version of the journal's form. A change of it or of the records raises it.
pub const VERSION: u16 = 1;

/// What a group says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupHeader {
    /// Sequence of its first command.
    pub first_sequence: u64,
    /// Commands in it, from 1.
    pub count: u32,
    /// Time of all its commands, in nanoseconds since 1970 UTC.
    pub time_ns: u64,
    /// Epoch of the leader's lease.
    pub epoch: u64,
}

/// A group that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Its header.
    pub header: GroupHeader,
    /// Hash of everything before it.
    pub previous: ChainHash,
    /// Its records.
    pub payload: &'a [u8],
    /// Bytes that it takes in the file.
    pub size: usize,
}

/// Why bytes are not a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// Zeros: nothing was written here.
    Empty,
    /// Another version wrote it.
    Version(u16),
    /// Not a group, or a damaged one.
    Damaged,
}

/// Returns the bytes that a payload of `length` bytes takes with header and padding.
#[must_use]
pub const fn frame_bytes(length: usize) -> usize {
    (length.saturating_add(HEADER_BYTES)).next_multiple_of(ALIGNMENT)
}

/// Writes a frame over `out` and returns the hash of everything up to it.
pub fn encode(
    header: &GroupHeader,
    previous: &ChainHash,
    payload: &[u8],
    out: &mut Vec<u8>,
) -> ChainHash {
    out.clear();
    out.reserve(frame_bytes(payload.len()));
    out.extend_from_slice(&MAGIC.to_le_bytes());
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&[0; 2]);
    out.extend_from_slice(&u32::try_from(payload.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(&header.count.to_le_bytes());
    out.extend_from_slice(&header.first_sequence.to_le_bytes());
    out.extend_from_slice(&header.time_ns.to_le_bytes());
    out.extend_from_slice(&header.epoch.to_le_bytes());
    out.extend_from_slice(previous);
    let head = crc32c::crc32c(out);
    out.extend_from_slice(&[0; 8]);
    out.extend_from_slice(payload);
    out.resize(frame_bytes(payload.len()), 0);
    let crc = crc32c::crc32c_append(head, out.get(HEADER_BYTES..).unwrap_or(&[]));
    if let Some(field) = out.get_mut(72..76) {
        field.copy_from_slice(&crc.to_le_bytes());
    }
    chain(out)
}

fn chain(frame: &[u8]) -> ChainHash {
    *blake3::hash(frame).as_bytes()
}

/// Reads the frame at the start of `bytes` and returns it with the hash of everything up to it.
///
/// # Errors
/// [`FrameError`] when there is none; only a whole frame with a right checksum is one.
pub fn decode(bytes: &[u8]) -> Result<(Frame<'_>, ChainHash), FrameError> {
    let Some(head) = bytes.first_chunk::<HEADER_BYTES>() else {
        let empty = bytes.iter().all(|byte| *byte == 0);
        return Err(if empty { FrameError::Empty } else { FrameError::Damaged });
    };
    if head.iter().all(|byte| *byte == 0) {
        return Err(FrameError::Empty);
    }
    let field = Fields(head);
    if field.u32(0) != MAGIC {
        return Err(FrameError::Damaged);
    }
    let length = usize::try_from(field.u32(8)).unwrap_or(usize::MAX);
    if length > PAYLOAD_BYTES_MAX {
        return Err(FrameError::Damaged);
    }
    let size = frame_bytes(length);
    let frame = bytes.get(..size).ok_or(FrameError::Damaged)?;
    let (signed, body) = (frame.get(..72), frame.get(HEADER_BYTES..));
    let (Some(signed), Some(body)) = (signed, body) else { return Err(FrameError::Damaged) };
    let crc = crc32c::crc32c_append(crc32c::crc32c(signed), body);
    if crc != field.u32(72) || field.u32(76) != 0 {
        return Err(FrameError::Damaged);
    }
    if field.u16(4) != VERSION {
        return Err(FrameError::Version(field.u16(4)));
    }
    let mut previous = [0; 32];
    previous.copy_from_slice(head.get(40..72).unwrap_or(&[0; 32]));
    let header = GroupHeader {
        first_sequence: field.u64(16),
        count: field.u32(12),
        time_ns: field.u64(24),
        epoch: field.u64(32),
    };
    let payload = body.get(..length).unwrap_or(&[]);
    Ok((Frame { header, previous, payload, size }, chain(frame)))
}

/// Reads little-endian fields of a fixed block.
pub(super) struct Fields<'a, const N: usize>(pub(super) &'a [u8; N]);

impl<const N: usize> Fields<'_, N> {
    fn array<const M: usize>(&self, at: usize) -> [u8; M] {
        self.0.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; M])
    }

    pub(super) fn u16(&self, at: usize) -> u16 {
        u16::from_le_bytes(self.array(at))
    }

    pub(super) fn u32(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.array(at))
    }

    pub(super) fn u64(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.array(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: GroupHeader =
        GroupHeader { first_sequence: 7, count: 2, time_ns: 1_700_000_000, epoch: 3 };

    #[test]
    fn frame_round_trips() {
        let mut bytes = Vec::new();
        let hash = encode(&HEADER, &[9; 32], b"hello", &mut bytes);
        let (frame, read) = decode(&bytes).expect("whole");
        assert_eq!(read, hash);
        assert_eq!((frame.header, frame.previous, frame.payload), (HEADER, [9; 32], &b"hello"[..]));
        assert_eq!(frame.size, bytes.len());
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let mut bytes = Vec::new();
        encode(&HEADER, &[9; 32], b"some payload", &mut bytes);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&flipped).is_err(), "bit {bit} went unseen");
        }
    }

    #[test]
    fn every_truncation_is_found() {
        let mut bytes = Vec::new();
        encode(&HEADER, &[9; 32], b"some payload", &mut bytes);
        for length in 0..bytes.len() {
            assert!(decode(&bytes[..length]).is_err(), "length {length} went unseen");
            let mut zeroed = bytes.clone();
            zeroed[length..].fill(0);
            if zeroed != bytes {
                assert!(decode(&zeroed).is_err(), "zeroed from {length} went unseen");
            }
        }
    }
}
