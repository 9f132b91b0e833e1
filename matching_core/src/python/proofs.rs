//! Proofs: the public journal, files of days, and their check.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::engine::{Engine, EngineLimits};
use crate::event::Silent;
use crate::journal::JournalError;
use crate::proof::day::{DayWriter, Tag, body};
use crate::proof::tree::{self, TreeWriter};
use crate::proof::verify::Verifier;
use crate::proof::walk::{PLACE_BYTES, Place, Published, Walk};
use crate::proof::{Hash, Pseudonyms, end_hash};
use crate::runtime::store;
use crate::types::{AccountNumber, Sequence, TimestampNs};

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn hex(hash: &Hash) -> String {
    blake3::Hash::from_bytes(*hash).to_hex().to_string()
}

fn unhex(text: &str) -> PyResult<Hash> {
    let hash = blake3::Hash::from_hex(text);
    hash.map(|hash| *hash.as_bytes()).map_err(|_| PyValueError::new_err("not a hash"))
}

fn place_of(bytes: &[u8]) -> PyResult<Place> {
    match <&[u8; PLACE_BYTES]>::try_from(bytes) {
        Ok(bytes) => Ok(Place::from_bytes(bytes)),
        Err(_) if bytes.is_empty() => Ok(Place::START),
        Err(_) => Err(PyValueError::new_err("not a place")),
    }
}

/// Sequence and time of the group that was walked last, groups, whether it may go on.
type Walked = (u64, u64, u64, bool);

/// Walks the journal in its public form.
#[pyclass(frozen, module = "farmgate._matching", name = "PublicJournal")]
#[derive(Debug)]
pub(super) struct PyPublicJournal {
    directory: PathBuf,
    pseudonyms: Pseudonyms,
    walk: Mutex<Walk>,
}

#[pymethods]
impl PyPublicJournal {
    /// Returns a walk from a place; from the start for no bytes.
    #[new]
    #[allow(clippy::needless_pass_by_value, reason = "Python arguments are extracted as values")]
    fn py_new(directory: PathBuf, secret: [u8; 32], place: &[u8]) -> PyResult<Self> {
        let pseudonyms = Pseudonyms::new(secret);
        let walk = Walk::new(&directory, pseudonyms.clone(), place_of(place)?);
        Ok(Self { directory, pseudonyms, walk: Mutex::new(walk) })
    }

    /// Returns where the walk stands.
    #[getter]
    fn place<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &lock(&self.walk).place().to_bytes())
    }

    /// Returns the sequence of the next record and the chain before it.
    #[getter]
    fn head(&self) -> (u64, String) {
        let place = lock(&self.walk).place();
        (place.position.next_sequence, hex(&place.chain))
    }

    /// Returns the salt of an account, as hexadecimal.
    #[pyo3(name = "salt")]
    fn py_salt(&self, account: u32) -> String {
        hex(&self.pseudonyms.salt(AccountNumber(account)))
    }

    /// Returns the sequence of the last durable record, 0 for none.
    #[pyo3(name = "durable")]
    fn py_durable(&self) -> PyResult<u64> {
        Ok(lock(&self.walk).durable_next()?.saturating_sub(1))
    }

    /// Returns the time of the next durable group; None when there is none.
    #[pyo3(name = "next_time_ns")]
    fn py_next_time_ns(&self) -> PyResult<Option<u64>> {
        let place = lock(&self.walk).place();
        let mut ahead = Walk::new(&self.directory, self.pseudonyms.clone(), place);
        Ok(ahead.group(u64::MAX, |_| Ok(()))?.map(|header| header.time_ns))
    }

    /// Walks on for about so many records; returns how many.
    #[pyo3(name = "walk")]
    fn py_walk(&self, py: Python<'_>, records_max: u64) -> PyResult<u64> {
        py.detach(|| {
            let (mut walk, mut count) = (lock(&self.walk), 0_u64);
            while count < records_max {
                let Some(header) = walk.group(u64::MAX, |_| Ok(()))? else { break };
                count = count.saturating_add(header.count.into());
            }
            Ok(count)
        })
    }

    /// Returns leaf and chain of a record further on; None while it is not durable.
    #[pyo3(name = "find")]
    fn py_find(&self, py: Python<'_>, sequence: u64) -> PyResult<Option<(String, String)>> {
        py.detach(|| {
            let (mut walk, mut found) = (lock(&self.walk), None);
            while found.is_none() {
                let visit = |record: &Published<'_>| {
                    if record.sequence == sequence {
                        found = Some((hex(&record.leaf), hex(&record.chain)));
                    }
                    Ok(())
                };
                if walk.group(u64::MAX, visit)?.is_none() {
                    break;
                }
            }
            Ok(found)
        })
    }
}

#[derive(Debug)]
struct Writing {
    walk: Walk,
    engine: Engine,
    day: DayWriter,
    tree: TreeWriter,
}

/// Writes the file and the tree of a day.
#[pyclass(frozen, module = "farmgate._matching", name = "DayFile")]
#[derive(Debug)]
pub(super) struct PyDayFile(Mutex<Option<Writing>>);

fn broken(error: io::Error) -> JournalError {
    JournalError::io("write", "a day's file")(error)
}

/// Returns the engine as it was before the place.
fn engine_before(directory: &Path, place: &Place) -> Result<Engine, JournalError> {
    let next = place.position.next_sequence;
    let limits = EngineLimits::default();
    let (mut engine, position) = store::newest_snapshot(directory, limits, next.saturating_sub(1))?;
    let mut reader = crate::journal::reader::JournalReader::new(directory, position);
    while let Some((header, payload)) = reader.next(next)? {
        store::apply(&mut engine, header.time_ns, payload, &mut Silent)
            .map_err(|_| JournalError::Stopped)?;
    }
    Ok(engine)
}

impl PyDayFile {
    fn with<T>(&self, work: impl FnOnce(&mut Writing) -> Result<T, JournalError>) -> PyResult<T> {
        let mut writing = lock(&self.0);
        let writing = writing.as_mut().ok_or_else(|| PyValueError::new_err("it is finished"))?;
        Ok(work(writing)?)
    }
}

#[pymethods]
impl PyDayFile {
    /// Starts the files of the day that starts at a place.
    #[new]
    #[allow(clippy::needless_pass_by_value, reason = "Python arguments are extracted as values")]
    fn py_new(
        py: Python<'_>,
        directory: PathBuf,
        secret: [u8; 32],
        place: &[u8],
        path: PathBuf,
        tree: PathBuf,
        header: &str,
    ) -> PyResult<Self> {
        let place = place_of(place)?;
        let writing = py.detach(|| {
            let mut day = DayWriter::create(&path).map_err(broken)?;
            day.section(Tag::Header, &[header.as_bytes()]).map_err(broken)?;
            Ok::<_, JournalError>(Writing {
                walk: Walk::new(&directory, Pseudonyms::new(secret), place),
                engine: engine_before(&directory, &place)?,
                day,
                tree: TreeWriter::create(&tree).map_err(broken)?,
            })
        })?;
        Ok(Self(Mutex::new(Some(writing))))
    }

    /// Writes the records of groups before a time, about so many.
    #[pyo3(name = "walk")]
    fn py_walk(&self, py: Python<'_>, until_ns: u64, records_max: u64) -> PyResult<Walked> {
        py.detach(|| {
            self.with(|writing| {
                let Writing { walk, engine, day, tree } = writing;
                let (mut last, mut count, mut goes_on) = ((0, 0), 0_u64, true);
                while count < records_max {
                    let visit = |record: &Published<'_>| {
                        let time = record.time_ns.to_le_bytes();
                        day.section(Tag::Record, &[&time, record.record]).map_err(broken)?;
                        tree.push(&record.leaf).map_err(broken)?;
                        last = (record.sequence, record.time_ns);
                        let time = TimestampNs(record.time_ns);
                        engine.apply(Sequence(record.sequence), time, record.command, &mut Silent);
                        Ok(())
                    };
                    let Some(header) = walk.group(until_ns, visit)? else {
                        goes_on = false;
                        break;
                    };
                    count = count.saturating_add(header.count.into());
                }
                Ok((last.0, last.1, count, goes_on))
            })
        })
    }

    /// Writes fills and changes that users were told of, each in order.
    #[pyo3(name = "tell")]
    #[allow(clippy::needless_pass_by_value, reason = "Python arguments are extracted as values")]
    fn py_tell(&self, fills: Vec<[i64; 9]>, changes: Vec<[i64; 4]>) -> PyResult<()> {
        self.with(|writing| {
            for fill in &fills {
                writing.day.section(Tag::Fill, &[&body(fill)]).map_err(broken)?;
            }
            for change in &changes {
                writing.day.section(Tag::Change, &[&body(change)]).map_err(broken)?;
            }
            Ok(())
        })
    }

    /// Returns the hash of the state so far.
    #[pyo3(name = "end_hash")]
    fn py_end_hash(&self, py: Python<'_>) -> PyResult<String> {
        py.detach(|| self.with(|writing| Ok(hex(&end_hash(&writing.engine)))))
    }

    /// Returns where the next day starts, its first sequence and the chain before it.
    #[pyo3(name = "end")]
    fn py_end<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyBytes>, u64, String)> {
        let place = self.with(|writing| Ok(writing.walk.place()))?;
        let bytes = PyBytes::new(py, &place.to_bytes());
        Ok((bytes, place.position.next_sequence, hex(&place.chain)))
    }

    /// Writes the levels of the tree and returns its root.
    #[pyo3(name = "root")]
    fn py_root(&self, py: Python<'_>) -> PyResult<String> {
        py.detach(|| {
            self.with(|writing| {
                let root = writing.tree.finish().map_err(broken)?;
                Ok(root.as_ref().map(hex).unwrap_or_default())
            })
        })
    }

    /// Writes the manifest and makes the file durable.
    #[pyo3(name = "finish")]
    fn py_finish(&self, py: Python<'_>, manifest: &str) -> PyResult<()> {
        py.detach(|| {
            let writing = lock(&self.0).take();
            let mut writing = writing.ok_or_else(|| PyValueError::new_err("it is finished"))?;
            writing.day.section(Tag::Manifest, &[manifest.as_bytes()]).map_err(broken)?;
            writing.day.finish().map_err(broken)?;
            Ok(())
        })
    }
}

/// Checks files of days.
#[pyclass(frozen, module = "farmgate._matching", name = "DayVerifier")]
#[derive(Debug)]
pub(super) struct PyDayVerifier(Mutex<Verifier>);

#[pymethods]
impl PyDayVerifier {
    /// Returns a check from the start of the journal, or from a state that was kept.
    #[new]
    fn py_new(py: Python<'_>, state: &[u8]) -> PyResult<Self> {
        let verifier = match state {
            [] => Some(Verifier::new()),
            state => py.detach(|| Verifier::load(state)),
        };
        let verifier = verifier.ok_or_else(|| PyValueError::new_err("the state is damaged"))?;
        Ok(Self(Mutex::new(verifier)))
    }

    /// Returns the state after the last day.
    #[pyo3(name = "save")]
    fn py_save<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &lock(&self.0).save()?))
    }

    #[pyo3(name = "want")]
    fn py_want(&self, sequence: u64) {
        lock(&self.0).want(sequence);
    }

    /// Returns leaf, chain and order of a record that was wanted and came.
    #[pyo3(name = "seen")]
    fn py_seen(&self, sequence: u64) -> Option<(String, String, u64)> {
        let seen = lock(&self.0).seen(sequence)?;
        Some((hex(&seen.leaf), hex(&seen.chain), seen.order_id))
    }

    /// Begins with a file.
    #[pyo3(name = "begin")]
    #[allow(clippy::needless_pass_by_value, reason = "Python arguments are extracted as values")]
    fn py_begin(&self, path: PathBuf) -> PyResult<()> {
        lock(&self.0).begin(&path).map_err(|error| PyOSError::new_err(error.to_string()))
    }

    /// Checks on; returns bytes read, bytes in all, and whether the day is over.
    #[pyo3(name = "step")]
    fn py_step(&self, py: Python<'_>, sections_max: usize) -> PyResult<(u64, u64, bool)> {
        py.detach(|| {
            let progress = lock(&self.0).step(sections_max);
            let progress = progress.map_err(|error| PyOSError::new_err(error.to_string()))?;
            Ok((progress.read, progress.size, progress.is_over))
        })
    }

    /// Returns what the day came to.
    #[pyo3(name = "result")]
    fn py_result<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let verifier = lock(&self.0);
        let findings = verifier.findings().iter();
        let findings: Vec<_> =
            findings.map(|found| (found.kind, found.sequence, found.words.clone())).collect();
        let (header, manifest) = verifier.texts();
        let (records, fills) = verifier.counts();
        let dict = PyDict::new(py);
        dict.set_item("header", header)?;
        dict.set_item("manifest", manifest)?;
        dict.set_item("findings", findings)?;
        dict.set_item("records", records)?;
        dict.set_item("fills", fills)?;
        dict.set_item("last_sequence", verifier.last_sequence())?;
        dict.set_item("chain", hex(&verifier.chain()))?;
        dict.set_item("root", verifier.root().as_ref().map(hex).unwrap_or_default())?;
        dict.set_item("end_hash", hex(&verifier.end_hash()))?;
        Ok(dict)
    }
}

/// Returns the leaf of a record and the path from it to the root, out of a tree's file.
#[pyfunction]
#[pyo3(name = "inclusion_path")]
#[allow(clippy::needless_pass_by_value, reason = "Python arguments are extracted as values")]
pub(super) fn py_inclusion_path(
    tree: PathBuf,
    leaves: u64,
    index: u64,
) -> PyResult<(String, Vec<String>)> {
    let (leaf, path) = tree::path(&tree, leaves, index)?;
    Ok((hex(&leaf), path.iter().map(hex).collect()))
}

/// Returns the root that a leaf and a path lead to; None when the path can't be one.
#[pyfunction]
#[pyo3(name = "inclusion_root")]
#[allow(clippy::needless_pass_by_value, reason = "Python arguments are extracted as values")]
pub(super) fn py_inclusion_root(
    leaf: &str,
    path: Vec<String>,
    leaves: u64,
    index: u64,
) -> PyResult<Option<String>> {
    let path = path.iter().map(|one| unhex(one)).collect::<PyResult<Vec<_>>>()?;
    Ok(tree::root_of(&unhex(leaf)?, &path, leaves, index).as_ref().map(hex))
}
