//! Opening a store's file: what it is, whether it can be used here, and the connections to it.
//!
//! Nothing is written, to the file or beside it, before it is known to be a store of ours or empty.

use std::fs::{File, TryLockError};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, MAIN_DB, OpenFlags};

use super::failure::{Failure, Fault};
use super::gate::{Gate, beside};
use super::schema::{self, Found};
use crate::error::{Error, ErrorKind, Result};
use crate::store::Stamp;

/// Older ones lose commits: a bug in the reset of the write-ahead log, mended in 3.51.3.
const OLDEST_SQLITE: i32 = 3_051_003;

/// How long SQLite waits for a lock of its own; those who write by the gate don't need it.
const BUSY: Duration = Duration::from_secs(1);

/// An open file.
pub(super) struct Opened {
    /// The connection that writes.
    pub(super) connection: Connection,
    /// The queue of writers.
    pub(super) gate: Gate,
    /// Which file it is.
    pub(super) identity: Identity,
}

/// Which file a path leads to. SQLite goes on writing to a file that was moved or removed, where nobody finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    path: PathBuf,
    /// Device and number.
    file: (u64, u64),
}

impl Identity {
    pub(super) fn of(path: &Path) -> Result<Self, Failure> {
        match path.metadata() {
            Ok(metadata) => Ok(Self { path: path.to_owned(), file: numbers(&metadata) }),
            Err(error) => Err(Failure::Io(format!("{error} (was the file moved or removed while it was open?)"))),
        }
    }

    /// Fails if the path leads elsewhere now.
    pub(super) fn check(&self) -> Result<(), Failure> {
        if Self::of(&self.path)? == *self { Ok(()) } else { Err(Failure::Replaced) }
    }
}

#[cfg(unix)]
fn numbers(metadata: &std::fs::Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt;
    (metadata.dev(), metadata.ino())
}

#[cfg(not(unix))]
fn numbers(_: &std::fs::Metadata) -> (u64, u64) {
    (0, 0)
}

/// A new file's name must outlast a power cut, as its contents do.
fn sync_directory(path: &Path) {
    if let Some(Ok(directory)) = path.parent().map(File::open)
        && let Err(error) = directory.sync_all()
    {
        tracing::debug!(%error, "the store's directory can't be synced");
    }
}

/// The directory of the workers' lock files.
pub(super) fn workers_directory(store: &Path) -> PathBuf {
    beside(store, ".workers")
}

/// Makes a path absolute, so that a change of the working directory changes nothing.
pub(super) fn resolve(path: &Path) -> Result<PathBuf> {
    let invalid = |message: String| Error::of(ErrorKind::Invalid, message);
    let name = path.file_name().ok_or_else(|| invalid(format!("{} doesn't name a file", path.display())))?;
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let parent = parent.canonicalize().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => invalid(format!(
            "the directory {} of the store doesn't exist: create it, or name another file",
            parent.display()
        )),
        _ => invalid(format!("the directory {} of the store can't be used: {error}", parent.display())),
    })?;
    let mut path = parent.join(name);
    if path.is_symlink() {
        // SQLite's own files lie beside what a link leads to, and so must ours.
        path = path.canonicalize().map_err(|error| {
            invalid(format!("{} is a link that leads nowhere ({error}): name the file itself", path.display()))
        })?;
    }
    if path.is_dir() {
        return Err(invalid(format!("{} is a directory: name a file in it", path.display())));
    }
    // To open a pipe would wait for ever, and a device takes no locks.
    if path.metadata().is_ok_and(|found| !found.is_file()) {
        return Err(invalid(format!("{} is a device, a pipe or a socket: name an ordinary file", path.display())));
    }
    Ok(path)
}

/// Opens a file, or makes a new one.
pub(super) fn file(path: &Path, migrations: &[&str], now: Stamp) -> Result<Opened> {
    let shown = path.display().to_string();
    check_library()?;
    check_file_system(path)?;
    check_one_name(path)?;
    let opened = (|| {
        refuse_foreign(path, migrations)?;
        check_locks(path)?;
        let gate = Gate::open(path).map_err(|error| not_writable(path, &error))?;
        let turn = gate.enter().map_err(|error| not_writable(path, &error))?;
        let mut connection = Connection::open_with_flags(
            path,
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )?;
        connection.busy_timeout(BUSY)?;
        if connection.is_readonly(MAIN_DB)? {
            return Err(Failure::ReadOnly.into());
        }
        set_up(&connection)?;
        use_wal(&connection, path)?;
        schema::migrate(&mut connection, migrations, now)?;
        sync_directory(path);
        drop(turn);
        Ok(Opened { connection, gate, identity: Identity::of(path)? })
    })();
    opened.map_err(|fault: Fault| fault.error(&shown))
}

/// A store that is gone with its handle.
pub(super) fn memory(now: Stamp) -> Result<Connection> {
    check_library()?;
    let opened = (|| {
        let mut connection = Connection::open_in_memory()?;
        set_up(&connection)?;
        schema::migrate(&mut connection, schema::MIGRATIONS, now)?;
        Ok(connection)
    })();
    opened.map_err(|fault: Fault| fault.error("in memory"))
}

/// One more that only reads, of the same file as those before it.
pub(super) fn another_reader(of: &Identity) -> Result<Connection, Failure> {
    let connection = reader(&of.path)?;
    of.check()?;
    Ok(connection)
}

/// A connection that only reads.
pub(super) fn reader(path: &Path) -> Result<Connection, Failure> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(64);
    keep_plans(&connection)?;
    connection.execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -32768;")?;
    Ok(connection)
}

fn set_up(connection: &Connection) -> Result<(), Failure> {
    connection.set_prepared_statement_cache_capacity(128);
    keep_plans(connection)?;
    connection.execute_batch(
        "PRAGMA foreign_keys = OFF; PRAGMA synchronous = FULL; PRAGMA cache_size = -32768; PRAGMA temp_store = MEMORY; \
         PRAGMA journal_size_limit = 67108864;",
    )?;
    Ok(())
}

fn use_wal(connection: &Connection, path: &Path) -> Result<(), Fault> {
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode == "wal" {
        return Ok(());
    }
    Err(unsupported(path, &format!("it can't share memory between processes (journal mode {mode})")).into())
}

/// A plan doesn't depend on what is bound: else a statement is compiled anew with each value.
fn keep_plans(connection: &Connection) -> Result<(), Failure> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

fn check_library() -> Result<()> {
    if rusqlite::version_number() >= OLDEST_SQLITE {
        return Ok(());
    }
    Err(Error::of(
        ErrorKind::Unsupported,
        format!(
            "this binary is linked with SQLite {}, which can lose commits: 3.51.3 is the oldest that is used (build with \
             rusqlite's feature `bundled`)",
            rusqlite::version()
        ),
    ))
}

fn unsupported(path: &Path, why: &str) -> Error {
    Error::of(
        ErrorKind::Unsupported,
        format!(
            "the store {} can't be used on this file system: {why}. Put it on a local disk, or use mongodb:// from several \
             machines",
            path.display()
        ),
    )
}

/// File systems that say yes to locks and shared memory and don't keep it, by the number of `statfs`.
const REFUSED: &[(u64, &str)] = &[
    (0x6969, "NFS"),
    (0x6573_5546, "FUSE"),
    (0x517B, "SMB"),
    (0xFE53_4D42, "SMB2"),
    (0xFF53_4D42, "CIFS"),
    (0x0102_1997, "9P"),
    (0x5346_414F, "AFS"),
    (0x00C3_6400, "Ceph"),
    (0x0BD0_0BD0, "Lustre"),
];

#[cfg(target_os = "linux")]
fn check_file_system(path: &Path) -> Result<()> {
    let directory = path.parent().unwrap_or(path);
    let Ok(found) = rustix::fs::statfs(directory) else { return Ok(()) };
    #[allow(clippy::unnecessary_cast, reason = "the type of the number differs between machines")]
    let magic = (found.f_type as u64) & 0xFFFF_FFFF;
    match refused(magic) {
        Some(name) => Err(unsupported(path, &format!("{name} can't lock files or map shared memory reliably"))),
        None => Ok(()),
    }
}

#[cfg(not(target_os = "linux"))]
fn check_file_system(path: &Path) -> Result<()> {
    let _ = (path, refused(0));
    Ok(())
}

/// The name of a file system that is refused.
pub(super) fn refused(magic: u64) -> Option<&'static str> {
    REFUSED.iter().find(|(number, _)| *number == magic).map(|(_, name)| *name)
}

/// SQLite finds its other files by the name of the first: under two names each side has a log and locks of its own, and
/// both write into one file.
fn check_one_name(path: &Path) -> Result<()> {
    let Ok(metadata) = path.metadata() else { return Ok(()) };
    if names(&metadata) > 1 {
        return Err(unsupported(path, "it has several names (hard links), and is damaged if two of them are used"));
    }
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let is_path = |line: &str| line.split(' ').nth(4).is_some_and(|point| Path::new(&unescaped(point)) == path);
    if mounts.lines().any(is_path) {
        return Err(unsupported(
            path,
            "the file alone is mounted, without those that SQLite keeps beside it: mount its directory",
        ));
    }
    Ok(())
}

#[cfg(unix)]
fn names(metadata: &std::fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::nlink(metadata)
}

#[cfg(not(unix))]
fn names(_: &std::fs::Metadata) -> u64 {
    1
}

/// A path of `/proc/self/mountinfo`: spaces and the like are octal (proc(5)).
fn unescaped(point: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(point.to_owned(), |point, (escaped, plain)| point.replace(escaped, plain))
}

/// Looks at a file that is there, without a write.
fn refuse_foreign(path: &Path, migrations: &[&str]) -> Result<(), Fault> {
    let mut start = Vec::new();
    match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(not_writable(path, &error)),
        Ok(file) => file.take(16).read_to_end(&mut start).map_err(|error| not_writable(path, &error))?,
    };
    if start.is_empty() {
        return Ok(());
    }
    if start != b"SQLite format 3\0" {
        let message = format!("{} is not a SQLite database: name another file", path.display());
        return Err(Error::of(ErrorKind::Damaged, message).into());
    }
    // A reader never moves the log of a file that isn't ours into it.
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.busy_timeout(BUSY)?;
    // One look: another process may be making the store right now.
    let _snapshot = connection.unchecked_transaction()?;
    match schema::inspect(&connection, migrations) {
        Ok(Found::Empty | Found::Store(_)) => check_pages(path, &connection),
        Err(Fault::Answer(error)) => Err(error.context(format!("{} can't be opened", path.display())).into()),
        Err(Fault::Failure(failure)) => Err(failure.into()),
    }
}

/// A file that was cut off inside a page has been handled by something that isn't SQLite: it is read whole.
fn check_pages(path: &Path, connection: &Connection) -> Result<(), Fault> {
    let page: u64 = connection.query_row("PRAGMA page_size", [], |row| row.get::<_, i64>(0))?.unsigned_abs();
    let length = path.metadata().map_or(0, |metadata| metadata.len());
    if page == 0 || length.is_multiple_of(page) {
        return Ok(());
    }
    let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if verdict == "ok" { Ok(()) } else { Err(Failure::Damaged(verdict).into()) }
}

fn not_writable(path: &Path, error: &io::Error) -> Fault {
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Failure::ReadOnly.into(),
        io::ErrorKind::Unsupported => unsupported(path, "it can't lock files").into(),
        _ => Failure::Io(error.to_string()).into(),
    }
}

/// Tries whether a lock keeps another out: some file systems grant it to all.
fn check_locks(path: &Path) -> Result<(), Fault> {
    let directory = workers_directory(path);
    std::fs::create_dir_all(&directory).map_err(|error| not_writable(path, &error))?;
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|error| Failure::Io(error.to_string()))?;
    let probe = directory.join(format!("probe-{}", crate::digest::hex(&random)));
    let verdict = (|| {
        let first = File::create_new(&probe)?;
        first.lock()?;
        Ok(matches!(File::open(&probe)?.try_lock(), Err(TryLockError::WouldBlock)))
    })();
    let _ = std::fs::remove_file(&probe);
    match verdict {
        Ok(true) => Ok(()),
        Ok(false) => Err(unsupported(path, "it grants a lock twice").into()),
        Err(error) => Err(not_writable(path, &error)),
    }
}
