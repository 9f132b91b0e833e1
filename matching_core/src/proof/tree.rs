//! The tree of RFC 6962 over the leaves of a day.
//!
//! A node without a sibling is the node of the next level: that is the tree of the RFC. A file
//! holds all levels, leaves first, so that a path is a handful of reads.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::{Hash, node};

const HASH_BYTES: u64 = 32;
const BUFFER_BYTES: usize = 1 << 18;

/// Computes a root of leaves that come one by one, in memory for its height only.
#[derive(Clone, Debug, Default)]
pub struct Root {
    /// Roots of whole trees, each with its height, the larger first.
    peaks: Vec<(u32, Hash)>,
}

impl Root {
    /// Takes the next leaf.
    pub fn push(&mut self, leaf: Hash) {
        let (mut height, mut hash) = (0_u32, leaf);
        while let Some(&(tall, left)) = self.peaks.last() {
            if tall != height {
                break;
            }
            self.peaks.pop();
            hash = node(&left, &hash);
            height = height.saturating_add(1);
        }
        self.peaks.push((height, hash));
    }

    /// Returns the root; `None` without leaves.
    #[must_use]
    pub fn value(&self) -> Option<Hash> {
        let mut peaks = self.peaks.iter().rev().map(|(_, hash)| *hash);
        let last = peaks.next()?;
        Some(peaks.fold(last, |right, left| node(&left, &right)))
    }
}

/// Writes a tree's file.
#[derive(Debug)]
pub struct TreeWriter {
    path: std::path::PathBuf,
    out: BufWriter<File>,
    leaves: u64,
}

impl TreeWriter {
    /// Creates the file.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn create(path: &Path) -> io::Result<Self> {
        let out = BufWriter::with_capacity(BUFFER_BYTES, File::create(path)?);
        Ok(Self { path: path.to_owned(), out, leaves: 0 })
    }

    /// Takes the next leaf.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn push(&mut self, leaf: &Hash) -> io::Result<()> {
        self.leaves = self.leaves.saturating_add(1);
        self.out.write_all(leaf)
    }

    /// Writes the levels above, makes the file durable and returns the root.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn finish(&mut self) -> io::Result<Option<Hash>> {
        let (mut below, mut from) = (self.leaves, 0);
        let mut root = None;
        loop {
            self.out.flush()?;
            let mut input = File::open(&self.path)?;
            io::Seek::seek(&mut input, io::SeekFrom::Start(from))?;
            let mut input = BufReader::with_capacity(BUFFER_BYTES, input);
            let mut left = [0; 32];
            let mut right = [0; 32];
            if below <= 1 {
                if below == 1 {
                    input.read_exact(&mut left)?;
                    root = Some(left);
                }
                break;
            }
            for _ in 0..below / 2 {
                input.read_exact(&mut left)?;
                input.read_exact(&mut right)?;
                self.out.write_all(&node(&left, &right))?;
            }
            if below % 2 == 1 {
                input.read_exact(&mut left)?;
                self.out.write_all(&left)?;
            }
            from = from.saturating_add(below.saturating_mul(HASH_BYTES));
            below = below.div_ceil(2);
        }
        self.out.flush()?;
        self.out.get_ref().sync_all()?;
        Ok(root)
    }
}

/// Returns the leaf at an index and the hashes from it to the root, the lowest first.
///
/// # Errors
/// When the file can't be read or has no such leaf.
pub fn path(file: &Path, leaves: u64, index: u64) -> io::Result<(Hash, Vec<Hash>)> {
    if index >= leaves {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let file = File::open(file)?;
    let read = |from: u64, at: u64| {
        let mut hash = [0; 32];
        let place = from.saturating_add(at.saturating_mul(HASH_BYTES));
        file.read_exact_at(&mut hash, place).map(|()| hash)
    };
    let leaf = read(0, index)?;
    let (mut width, mut at, mut from) = (leaves, index, 0_u64);
    let mut hashes = Vec::new();
    while width > 1 {
        let sibling = at ^ 1;
        if sibling < width {
            hashes.push(read(from, sibling)?);
        }
        from = from.saturating_add(width.saturating_mul(HASH_BYTES));
        (width, at) = (width.div_ceil(2), at / 2);
    }
    Ok((leaf, hashes))
}

/// Returns the root that a leaf and its path lead to; `None` when the path can't be one.
#[must_use]
pub fn root_of(leaf: &Hash, path: &[Hash], leaves: u64, index: u64) -> Option<Hash> {
    if index >= leaves {
        return None;
    }
    let (mut width, mut at, mut hash) = (leaves, index, *leaf);
    let mut path = path.iter();
    while width > 1 {
        if at ^ 1 < width {
            let other = path.next()?;
            hash = if at % 2 == 1 { node(other, &hash) } else { node(&hash, other) };
        }
        (width, at) = (width.div_ceil(2), at / 2);
    }
    path.next().is_none().then_some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proof::sha256;

    /// The definition of RFC 6962, section 2.1, word for word.
    fn defined(leaves: &[Hash]) -> Hash {
        match leaves {
            [one] => *one,
            many => {
                let k = many.len().next_power_of_two() / 2;
                node(&defined(&many[..k]), &defined(&many[k..]))
            }
        }
    }

    #[test]
    fn trees_are_those_of_the_rfc() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("tree");
        for count in 1..70_u64 {
            let leaves: Vec<_> = (0..count).map(|n| sha256(&[&n.to_le_bytes()])).collect();
            let (mut root, mut writer) = (Root::default(), TreeWriter::create(&file).unwrap());
            for leaf in &leaves {
                root.push(*leaf);
                writer.push(leaf).unwrap();
            }
            let wanted = defined(&leaves);
            assert_eq!(root.value(), Some(wanted));
            assert_eq!(writer.finish().unwrap(), Some(wanted));
            for index in 0..count {
                let (leaf, hashes) = path(&file, count, index).unwrap();
                assert_eq!(leaf, leaves[usize::try_from(index).unwrap()]);
                assert_eq!(root_of(&leaf, &hashes, count, index), Some(wanted));
                let mut longer = hashes.clone();
                longer.push(leaf);
                assert_eq!(root_of(&leaf, &longer, count, index), None);
                for place in 0..hashes.len() {
                    let mut wrong = hashes.clone();
                    wrong[place][7] ^= 1;
                    assert_ne!(root_of(&leaf, &wrong, count, index), Some(wanted));
                }
            }
            assert!(path(&file, count, count).is_err());
        }
        assert_eq!(Root::default().value(), None);
    }

    /// The vectors of the certificate-transparency log's own tests.
    #[test]
    fn known_roots() {
        let inputs: [&[u8]; 3] = [&[], &[0], &[0x10]];
        let mut root = Root::default();
        let mut roots = Vec::new();
        for input in inputs {
            root.push(sha256(&[&[0], input]));
            roots.push(blake3::Hash::from_bytes(root.value().unwrap()).to_hex().to_string());
        }
        assert_eq!(
            roots,
            [
                "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
                "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
                "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            ]
        );
    }
}
