//! The file of a day: sections of a tag, a length and a body, after a line that names the form.
//!
//! ```text
//! H header, JSON · R record: time ns u64, record · F fill · C change of a trade · M manifest, JSON
//! ```
//!
//! One H, then every record of the day in order, then the fills and changes that the exchange told
//! its users of, then one M and nothing more. Integers are little-endian.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

/// First bytes of a file.
pub const FIRST_LINE: &[u8; 19] = b"farmgate journal 1\n";
/// Longest body.
pub const BODY_BYTES_MAX: u32 = 1 << 16;

const BUFFER_BYTES: usize = 1 << 18;

/// What a section holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    /// The header.
    Header,
    /// A record of the journal.
    Record,
    /// A fill.
    Fill,
    /// A change of a trade.
    Change,
    /// The manifest.
    Manifest,
}

impl Tag {
    const ALL: [Self; 5] = [Self::Header, Self::Record, Self::Fill, Self::Change, Self::Manifest];

    const fn byte(self) -> u8 {
        match self {
            Self::Header => b'H',
            Self::Record => b'R',
            Self::Fill => b'F',
            Self::Change => b'C',
            Self::Manifest => b'M',
        }
    }
}

/// A fill as users were told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill(pub [i64; 9]);

impl Fill {
    /// Names of the numbers, in order.
    pub const NAMES: [&'static str; 9] = [
        "trade_id",
        "sequence",
        "instrument",
        "price_ticks",
        "quantity_lots",
        "maker_order",
        "taker_order",
        "aggressor",
        "kind",
    ];
}

/// A trade that was corrected or taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change(pub [i64; 4]);

impl Change {
    /// Names of the numbers, in order.
    pub const NAMES: [&'static str; 4] =
        ["trade_id", "sequence", "new_price_ticks", "new_quantity_lots"];
}

/// Returns numbers as a body.
#[must_use]
pub fn body<const N: usize>(numbers: &[i64; N]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// Returns the numbers of a body; `None` when it is not so many.
#[must_use]
pub fn numbers<const N: usize>(body: &[u8]) -> Option<[i64; N]> {
    let (chunks, rest) = body.as_chunks::<8>();
    let found: &[[u8; 8]; N] = chunks.try_into().ok()?;
    rest.is_empty().then(|| found.map(i64::from_le_bytes))
}

/// Writes a file of a day.
#[derive(Debug)]
pub struct DayWriter {
    out: BufWriter<File>,
}

impl DayWriter {
    /// Creates the file.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn create(path: &Path) -> io::Result<Self> {
        let mut out = BufWriter::with_capacity(BUFFER_BYTES, File::create(path)?);
        out.write_all(FIRST_LINE)?;
        Ok(Self { out })
    }

    /// Writes a section.
    ///
    /// # Errors
    /// When the body is too long or the operating system refuses.
    pub fn section(&mut self, tag: Tag, parts: &[&[u8]]) -> io::Result<()> {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let length = u32::try_from(length).ok().filter(|length| *length <= BODY_BYTES_MAX);
        let length = length.ok_or(io::ErrorKind::InvalidInput)?;
        self.out.write_all(&[tag.byte()])?;
        self.out.write_all(&length.to_le_bytes())?;
        parts.iter().try_for_each(|part| self.out.write_all(part))
    }

    /// Makes the file durable.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn finish(self) -> io::Result<()> {
        self.out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
    }
}

/// Reads a file of a day.
#[derive(Debug)]
pub struct DayReader {
    input: BufReader<File>,
    offset: u64,
    size: u64,
    body: Vec<u8>,
}

impl DayReader {
    /// Opens a file; `None` when it is not one of a day.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn open(path: &Path) -> io::Result<Option<Self>> {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        let mut input = BufReader::with_capacity(BUFFER_BYTES, file);
        let mut first = [0; FIRST_LINE.len()];
        let is_one = input.read_exact(&mut first).is_ok() && first == *FIRST_LINE;
        let offset = FIRST_LINE.len() as u64;
        Ok(is_one.then(|| Self { input, offset, size, body: Vec::new() }))
    }

    /// Returns how far the file is read, and its size, in bytes.
    #[must_use]
    pub const fn progress(&self) -> (u64, u64) {
        (self.offset, self.size)
    }

    /// Returns the next section; `None` at the end.
    ///
    /// # Errors
    /// `InvalidData` when there is no whole section, or what the operating system says.
    pub fn section(&mut self) -> io::Result<Option<(Tag, &[u8])>> {
        if self.offset >= self.size {
            return Ok(None);
        }
        let mut head = [0; 5];
        let broken = |_| io::Error::from(io::ErrorKind::InvalidData);
        self.input.read_exact(&mut head).map_err(broken)?;
        let [tag, length @ ..] = head;
        let tag = Tag::ALL.into_iter().find(|known| known.byte() == tag);
        let length = u32::from_le_bytes(length);
        let (Some(tag), true) = (tag, length <= BODY_BYTES_MAX) else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        self.body.resize(usize::try_from(length).unwrap_or(0), 0);
        self.input.read_exact(&mut self.body).map_err(broken)?;
        self.offset = self.offset.saturating_add(5).saturating_add(length.into());
        Ok(Some((tag, &self.body)))
    }
}
