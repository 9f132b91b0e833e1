//! Segment files: `00000001.segment` and on, of one size, zeroed before use so that a sync writes
//! data and no file-system records.
//!
//! A segment starts with 64 bytes: magic u32, version u16, zero u16, number u64, first sequence
//! u64, hash of everything before 32 bytes, CRC-32C of those u32, zero u32.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::frame::{ChainHash, Fields, VERSION};
use super::{JournalError, Position};

/// Bytes of a segment's header; the first group follows.
pub const SEGMENT_HEADER_BYTES: u64 = 64;

const MAGIC: u32 = 0x31_53_47_46; // "FGS1"
const ZEROS_BYTES: usize = 1 << 20;

/// What a segment says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// Number, from 1.
    pub number: u64,
    /// Sequence of its first command.
    pub first_sequence: u64,
    /// Hash of everything before it.
    pub previous: ChainHash,
}

/// Returns the path of a segment.
#[must_use]
pub fn path(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{number:08}.segment"))
}

/// Returns the path of a segment that is being prepared.
#[must_use]
pub fn spare_path(directory: &Path) -> PathBuf {
    directory.join("next.spare")
}

/// Returns the numbers of the segments in a directory, rising.
///
/// # Errors
/// When the directory can't be read.
pub fn list(directory: &Path) -> Result<Vec<u64>, JournalError> {
    let entries = fs::read_dir(directory).map_err(JournalError::io("read", directory))?;
    let mut numbers = Vec::new();
    for entry in entries {
        let entry = entry.map_err(JournalError::io("read", directory))?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".segment"));
        numbers.extend(number.and_then(|number| number.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Writes `size` zero bytes to a new file at the spare path and makes them durable. A spare of that
/// size that is there already is whole: it got its name when it was.
///
/// # Errors
/// When the operating system refuses, for example when the disk is full.
pub fn prepare_spare(directory: &Path, size: u64) -> Result<(), JournalError> {
    let path = spare_path(directory);
    if fs::metadata(&path).is_ok_and(|found| found.len() == size) {
        return Ok(());
    }
    let unfinished = path.with_extension("zeroing");
    let file = File::create(&unfinished).map_err(JournalError::io("create", &unfinished))?;
    let zeros = vec![0; ZEROS_BYTES];
    let mut offset = 0_u64;
    while offset < size {
        let left = usize::try_from(size.saturating_sub(offset)).unwrap_or(ZEROS_BYTES);
        let part = zeros.get(..left.min(ZEROS_BYTES)).unwrap_or(&zeros);
        file.write_all_at(part, offset).map_err(JournalError::io("write", &unfinished))?;
        offset = offset.saturating_add(part.len() as u64);
    }
    file.sync_all().map_err(JournalError::io("sync", &unfinished))?;
    fs::rename(&unfinished, &path).map_err(JournalError::io("rename", &unfinished))
}

/// Turns the spare file into the segment that continues `position`, and makes its name durable.
///
/// # Errors
/// When the operating system refuses.
pub fn start(directory: &Path, position: &Position) -> Result<File, JournalError> {
    let number = position.segment;
    let spare = spare_path(directory);
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(&spare)
        .map_err(JournalError::io("open", &spare))?;
    let header =
        SegmentHeader { number, first_sequence: position.next_sequence, previous: position.chain };
    file.write_all_at(&encode_header(&header), 0).map_err(JournalError::io("write", &spare))?;
    file.sync_all().map_err(JournalError::io("sync", &spare))?;
    let target = path(directory, number);
    fs::rename(&spare, &target).map_err(JournalError::io("rename", &spare))?;
    sync_directory(directory)?;
    Ok(file)
}

/// Makes the names in a directory durable.
///
/// # Errors
/// When the operating system refuses.
pub fn sync_directory(directory: &Path) -> Result<(), JournalError> {
    let file = File::open(directory).map_err(JournalError::io("open", directory))?;
    file.sync_all().map_err(JournalError::io("sync", directory))
}

fn encode_header(header: &SegmentHeader) -> [u8; 64] {
    let mut bytes = Vec::with_capacity(64);
    bytes.extend_from_slice(&MAGIC.to_le_bytes());
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&[0; 2]);
    bytes.extend_from_slice(&header.number.to_le_bytes());
    bytes.extend_from_slice(&header.first_sequence.to_le_bytes());
    bytes.extend_from_slice(&header.previous);
    let crc = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes.resize(64, 0);
    bytes.first_chunk().copied().unwrap_or([0; 64])
}

/// Reads the header of a segment.
///
/// # Errors
/// When it is damaged or of another version.
pub fn decode_header(bytes: &[u8], path: &Path) -> Result<SegmentHeader, JournalError> {
    let corrupt =
        || JournalError::Corrupt { path: path.to_owned(), offset: 0, what: "no segment header" };
    let head: &[u8; 64] = bytes.first_chunk().ok_or_else(corrupt)?;
    let fields = Fields(head);
    let crc = crc32c::crc32c(head.get(..56).unwrap_or(&[]));
    if fields.u32(0) != MAGIC || crc != fields.u32(56) || fields.u32(60) != 0 {
        return Err(corrupt());
    }
    if fields.u16(4) != VERSION {
        return Err(JournalError::Version { path: path.to_owned(), version: fields.u16(4) });
    }
    let mut previous = [0; 32];
    previous.copy_from_slice(head.get(24..56).unwrap_or(&[0; 32]));
    Ok(SegmentHeader { number: fields.u64(8), first_sequence: fields.u64(16), previous })
}
