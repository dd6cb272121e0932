//! All durable functions of the binary, whichever crate they stand in.

use std::collections::BTreeMap;

use super::spec::Function;
use crate::error::{Error, ErrorKind, Result};

/// A durable function that registers itself before `main`.
pub struct Registered(pub &'static Function);

inventory::collect!(Registered);

/// The functions of this binary by name and version.
#[derive(Debug, Clone)]
pub(crate) struct Registry(BTreeMap<(&'static str, u32), &'static Function>);

impl Registry {
    /// Reads what registered itself. Two functions of one name and version are an error that names both places.
    pub(crate) fn of_binary() -> Result<Self> {
        Self::of(inventory::iter::<Registered>.into_iter().map(|registered| registered.0))
    }

    fn of(functions: impl Iterator<Item = &'static Function>) -> Result<Self> {
        let mut found = BTreeMap::new();
        for function in functions {
            if let Some(other) = found.insert((function.name, function.version), function) {
                let (a, b) = if other.place.to_string() < function.place.to_string() {
                    (other.place, function.place)
                } else {
                    (function.place, other.place)
                };
                return Err(Error::of(
                    ErrorKind::Invalid,
                    format!(
                        "two durable functions are called `{}` (version {}): {a} and {b}; give one another `name = \"…\"` \
                         or `version = …`",
                        function.name, function.version
                    ),
                ));
            }
        }
        Ok(Self(found))
    }

    pub(crate) fn get(&self, name: &str, version: u32) -> Option<&'static Function> {
        self.0.iter().find(|((n, v), _)| *n == name && *v == version).map(|(_, function)| *function)
    }

    /// The newest version of a name: what a call from outside means.
    pub(crate) fn newest(&self, name: &str) -> Option<&'static Function> {
        self.0.iter().rev().find(|((n, _), _)| *n == name).map(|(_, function)| *function)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &'static Function> + '_ {
        self.0.values().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::super::spec::Place;
    use super::*;

    static ONE: Function =
        Function { name: "pay", place: Place { file: "a.rs", line: 1, module: "a" }, ..Function::DURABLE };
    static TWO: Function =
        Function { name: "pay", place: Place { file: "b.rs", line: 2, module: "b" }, ..Function::DURABLE };
    static NEXT: Function = Function { name: "pay", version: 2, ..Function::DURABLE };

    #[test]
    fn two_of_one_name_are_refused_with_both_places() {
        let error = Registry::of([&ONE, &TWO].into_iter()).unwrap_err().to_string();
        assert!(error.contains("a.rs:1") && error.contains("b.rs:2"), "{error}");
    }

    #[test]
    fn versions_stand_side_by_side_and_the_newest_is_called() {
        let registry = Registry::of([&ONE, &NEXT].into_iter()).unwrap();
        assert_eq!(registry.newest("pay").unwrap().version, 2);
        assert_eq!(registry.get("pay", 1).unwrap().version, 1);
        assert!(registry.get("pay", 3).is_none());
    }
}
