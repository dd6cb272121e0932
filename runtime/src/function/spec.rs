//! The options of an annotated function, as constants.

use std::time::Duration;

use super::arguments::{Arguments, Input};
use super::outcome::Root;
use crate::error::Result;

/// Where a function stands in the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// `file!()`
    pub file: &'static str,
    /// `line!()`
    pub line: u32,
    /// `module_path!()`
    pub module: &'static str,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// What may be tried again, how often and when.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Retry {
    /// Attempts in all, the first included.
    pub max_attempts: u32,
    /// The wait after the first failure.
    pub initial: Duration,
    /// How much longer each further wait is.
    pub factor: f64,
    /// The longest wait.
    pub max: Duration,
    /// The time that attempts and waits may take together, without the time in which no worker was up.
    pub limit: Duration,
}

impl Retry {
    /// 6 attempts within 10 minutes.
    pub const DEFAULT: Self = Self {
        max_attempts: 6,
        initial: Duration::from_millis(200),
        factor: 2.0,
        max: Duration::from_secs(30),
        limit: Duration::from_secs(600),
    };
}

/// What is encrypted at rest and never shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Secret {
    /// These arguments.
    pub arguments: &'static [&'static str],
    /// The result, errors included.
    pub result: bool,
}

impl Secret {
    /// Nothing.
    pub const NONE: Self = Self { arguments: &[], result: false };
}

/// A `#[step]` or `#[transaction]`.
#[derive(Debug, Clone, Copy)]
pub struct StepSpec {
    /// Its name in the record.
    pub name: &'static str,
    /// Where it stands.
    pub place: Place,
    /// A transaction: runs in the store.
    pub transaction: bool,
    /// Never begun a second time.
    pub at_most_once: bool,
    /// Its retry policy.
    pub retry: Retry,
    /// How long one attempt may take.
    pub timeout: Option<Duration>,
    /// What is secret.
    pub secret: Secret,
}

const NOWHERE: Place = Place { file: "", line: 0, module: "" };

impl StepSpec {
    /// A step with every option at its default.
    pub const STEP: Self = Self {
        name: "",
        place: NOWHERE,
        transaction: false,
        at_most_once: false,
        retry: Retry::DEFAULT,
        timeout: None,
        secret: Secret::NONE,
    };
    /// A transaction with every option at its default.
    pub const TRANSACTION: Self = Self { transaction: true, ..Self::STEP };
}

/// An argument, for the command line's help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Argument {
    /// Its name.
    pub name: &'static str,
    /// Its type, as written.
    pub rust_type: &'static str,
}

/// A `#[durable]` function.
#[derive(Debug, Clone, Copy)]
pub struct Function {
    /// Its name in the record.
    pub name: &'static str,
    /// Its version.
    pub version: u32,
    /// Where it stands.
    pub place: Place,
    /// The first paragraph of its documentation.
    pub summary: &'static str,
    /// Its arguments.
    pub arguments: &'static [Argument],
    /// How long an execution may take, from its creation.
    pub timeout: Option<Duration>,
    /// What is secret.
    pub secret: Secret,
    /// Decodes arguments, from the record or from JSON, and encodes them again.
    pub normalise: fn(&mut Input<'_>) -> Result<Arguments>,
    /// Decodes arguments and makes the body's future.
    pub start: fn(&mut Input<'_>) -> Result<Root>,
}

impl Function {
    /// A function with every option at its default.
    pub const DURABLE: Self = Self {
        name: "",
        version: 1,
        place: NOWHERE,
        summary: "",
        arguments: &[],
        timeout: None,
        secret: Secret::NONE,
        normalise: |_| Ok(Arguments::new(&Secret::NONE)),
        start: |_| Err(crate::Error::of(crate::ErrorKind::Invalid, "a function without a body")),
    };
}
