//! Why a test isn't run, and what became of all.

use std::collections::BTreeMap;
use std::fmt;

/// Operations that have no counterpart in the public API.
pub(crate) const OPERATIONS_OUT: &[&str] = &["aggregate", "count", "createCollection", "modifyCollection"];

/// Arguments that have none.
pub(crate) const ARGUMENTS_OUT: &[&str] = &["collation"];

/// Why a test can't be run here. There are no others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reason {
    /// The operation is out by name: it needs MongoDB's own driver.
    Operation(String),
    /// An argument is out by name.
    Argument(String),
    /// The test is for other versions of the server.
    Version,
    /// The test needs a fail point of the server.
    FailPoint,
    /// The test is of the client's bulk write, over collections.
    ClientBulkWrite,
    /// The test asks for no answer (`w: 0`) of an operation that gives a document.
    Unacknowledged,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operation(name) => write!(f, "the operation {name} is out"),
            Self::Argument(name) => write!(f, "the argument {name} is out"),
            Self::Version => f.write_str("for other versions of the server"),
            Self::FailPoint => f.write_str("needs a fail point of the server"),
            Self::ClientBulkWrite => f.write_str("the client's bulk write"),
            Self::Unacknowledged => f.write_str("the argument writeConcern (w: 0) of findOneAnd… is out"),
        }
    }
}

/// Why a test hasn't passed.
#[derive(Debug)]
pub(crate) enum Why {
    LeftOut(Reason),
    Failed(String),
}

impl From<Reason> for Why {
    fn from(reason: Reason) -> Self {
        Self::LeftOut(reason)
    }
}

/// What became of all tests.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    passed: usize,
    left_out: BTreeMap<Reason, usize>,
    failed: Vec<(String, String)>,
}

impl Tally {
    pub(crate) fn passed(&mut self) {
        self.passed += 1;
    }

    pub(crate) fn left_out(&mut self, reason: Reason) {
        *self.left_out.entry(reason).or_default() += 1;
    }

    pub(crate) fn failed(&mut self, name: String, what: String) {
        self.failed.push((name, what));
    }

    /// The reasons that no test has any more.
    pub(crate) fn needless(&self) -> Vec<Reason> {
        let operations = OPERATIONS_OUT.iter().map(|name| Reason::Operation((*name).to_owned()));
        let arguments = ARGUMENTS_OUT.iter().map(|name| Reason::Argument((*name).to_owned()));
        let others = [Reason::Version, Reason::FailPoint, Reason::ClientBulkWrite, Reason::Unacknowledged];
        let all = operations.chain(arguments).chain(others);
        all.filter(|reason| !self.left_out.contains_key(reason)).collect()
    }

    pub(crate) fn passes(&self) -> usize {
        self.passed
    }

    pub(crate) fn failures(&self) -> &[(String, String)] {
        &self.failed
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let left_out: usize = self.left_out.values().sum();
        let all = self.passed + left_out + self.failed.len();
        writeln!(
            f,
            "{all} tests of MongoDB's: {} passed, {left_out} left out, {} failed",
            self.passed,
            self.failed.len()
        )?;
        for (reason, count) in &self.left_out {
            writeln!(f, "  {count:4}  {reason}")?;
        }
        for (name, what) in &self.failed {
            writeln!(f, "  FAILED  {name}: {what}")?;
        }
        Ok(())
    }
}
