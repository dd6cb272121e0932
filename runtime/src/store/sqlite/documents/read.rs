//! Reading: the plan's documents, one after the other, those that match, in the order asked for.

use std::ops::ControlFlow;

use bson::{Bson, Document, RawDocument, RawDocumentBuf};
use rusqlite::{Connection, params};

use super::super::failure::{Failure, Fault};
use super::catalogue::{self, Collection};
use super::plan::{Plan, Range};
use crate::data::distinct::Distinct;
use crate::data::filter::{Filter, Matched};
use crate::data::operation::{Query, Target};
use crate::data::projection::Projection;
use crate::data::sort::Sort;
use crate::hashing::FastSet;

/// A document that was found.
pub(super) struct Found {
    /// Its number in the table.
    pub(super) number: i64,
    pub(super) body: RawDocumentBuf,
    /// Where in it the filter matched.
    pub(super) matched: Matched,
}

/// How much was looked at.
#[derive(Debug, Default)]
pub(super) struct Examined {
    pub(super) entries: u64,
    pub(super) documents: u64,
}

/// Which documents, in which order.
pub(super) struct Search {
    filter: Filter,
    sort: Option<Sort>,
    skip: usize,
    limit: usize,
}

pub(super) fn damaged(collection: &str, error: impl std::fmt::Display) -> Failure {
    Failure::Damaged(format!("a document in {collection} can't be read: {error}"))
}

impl Search {
    pub(super) fn of(query: &Query) -> Result<Self, Fault> {
        let limit = if query.limit == 0 { usize::MAX } else { usize::try_from(query.limit).unwrap_or(usize::MAX) };
        Ok(Self {
            filter: Filter::with_variables(&query.filter, query.variables.as_ref())?,
            sort: sort(query.sort.as_ref())?,
            skip: usize::try_from(query.skip).unwrap_or(usize::MAX),
            limit,
        })
    }

    /// For writes: the first in an order, or all.
    pub(super) fn to_write(target: &Target, many: bool) -> Result<Self, Fault> {
        let filter = Filter::with_variables(&target.filter, target.variables.as_ref())?;
        let limit = if many { usize::MAX } else { 1 };
        Ok(Self { filter, sort: sort(target.sort.as_ref())?, skip: 0, limit })
    }

    pub(super) fn filter(&self) -> &Filter {
        &self.filter
    }

    /// Gives what is found to `sink`, in order, until it breaks off.
    pub(super) fn run(
        &self,
        connection: &Connection,
        name: &str,
        sink: &mut dyn FnMut(Found) -> Result<ControlFlow<()>, Fault>,
    ) -> Result<Examined, Fault> {
        let mut examined = Examined::default();
        let Some(collection) = catalogue::find(connection, name)? else { return Ok(examined) };
        let plan = Plan::of(&collection, &self.filter, self.sort.as_ref());
        let walk = Walk { connection, name, collection: &collection, plan: &plan };
        let exact = matches!(plan, Plan::Index { exact: true, .. });
        let Some(sort) = self.sort.as_ref().filter(|sort| !plan.is_sorted(Some(sort))) else {
            let (mut skip, mut left) = (self.skip, self.limit);
            walk.each(&mut examined, &mut |candidate| {
                let Some(found) = self.look(name, candidate, exact)? else { return Ok(ControlFlow::Continue(())) };
                if skip > 0 {
                    skip -= 1;
                    return Ok(ControlFlow::Continue(()));
                }
                left -= 1;
                let flow = sink(found)?;
                Ok(if left == 0 { ControlFlow::Break(()) } else { flow })
            })?;
            return Ok(examined);
        };
        let wanted = self.skip.saturating_add(self.limit);
        let mut kept: Vec<(Vec<u8>, usize, Found)> = Vec::new();
        let mut number = 0;
        walk.each(&mut examined, &mut |candidate| {
            if let Some(found) = self.look(name, candidate, exact)? {
                // Documents that are equal in order stay in the order in which they were found.
                number += 1;
                kept.push((sort.key(&found.body)?, number, found));
                if kept.len() >= wanted.saturating_mul(2).max(1_000) {
                    keep_first(&mut kept, wanted);
                }
            }
            Ok(ControlFlow::Continue(()))
        })?;
        keep_first(&mut kept, wanted);
        for (_, _, found) in kept.into_iter().skip(self.skip) {
            if sink(found)?.is_break() {
                break;
            }
        }
        Ok(examined)
    }

    fn look(&self, name: &str, candidate: Candidate<'_>, exact: bool) -> Result<Option<Found>, Fault> {
        let document = RawDocument::from_bytes(candidate.body).map_err(|error| damaged(name, error))?;
        let matched = if exact { Some(Matched::default()) } else { self.filter.matched(document) };
        let Some(matched) = matched else { return Ok(None) };
        Ok(Some(Found { number: candidate.number, body: document.to_owned(), matched }))
    }
}

fn sort(sort: Option<&Document>) -> Result<Option<Sort>, Fault> {
    let sort = sort.filter(|sort| !sort.is_empty());
    Ok(sort.map(Sort::parse).transpose()?)
}

/// The first so many in order. What was found later has a higher number, so that the order is stable.
fn keep_first(kept: &mut Vec<(Vec<u8>, usize, Found)>, wanted: usize) {
    kept.sort_unstable_by(|left, right| (&left.0, left.1).cmp(&(&right.0, right.1)));
    kept.truncate(wanted);
}

/// A document that may match.
struct Candidate<'r> {
    number: i64,
    body: &'r [u8],
}

/// The way through a plan's documents.
struct Walk<'w> {
    connection: &'w Connection,
    name: &'w str,
    collection: &'w Collection,
    plan: &'w Plan,
}

type Sink<'s> = &'s mut dyn FnMut(Candidate<'_>) -> Result<ControlFlow<()>, Fault>;

impl Walk<'_> {
    fn each(&self, examined: &mut Examined, sink: Sink<'_>) -> Result<(), Fault> {
        match self.plan {
            Plan::Ids(ids) => self.ids(ids, examined, sink),
            Plan::Index { index, ranges, backwards, .. } => self.index(*index, ranges, *backwards, examined, sink),
            Plan::Scan { backwards, .. } => self.scan(*backwards, examined, sink),
        }
    }

    fn ids(&self, ids: &[Vec<u8>], examined: &mut Examined, sink: Sink<'_>) -> Result<(), Fault> {
        let mut find =
            self.connection.prepare_cached("SELECT n, body FROM outlast_documents WHERE collection = ? AND key = ?")?;
        for id in ids {
            let mut rows = find.query(params![self.collection.number, id])?;
            if let Some(row) = rows.next()? {
                examined.documents += 1;
                if sink(candidate(row, self.name)?)?.is_break() {
                    break;
                }
            }
        }
        Ok(())
    }

    fn scan(&self, backwards: bool, examined: &mut Examined, sink: Sink<'_>) -> Result<(), Fault> {
        let mut all = self.connection.prepare_cached(if backwards {
            "SELECT n, body FROM outlast_documents WHERE collection = ? ORDER BY key DESC"
        } else {
            "SELECT n, body FROM outlast_documents WHERE collection = ? ORDER BY key"
        })?;
        let mut rows = all.query([self.collection.number])?;
        while let Some(row) = rows.next()? {
            examined.documents += 1;
            if sink(candidate(row, self.name)?)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn index(
        &self,
        place: usize,
        ranges: &[Range],
        backwards: bool,
        examined: &mut Examined,
        sink: Sink<'_>,
    ) -> Result<(), Fault> {
        let index = &self.collection.indexes[place];
        let mut seen = FastSet::default();
        let mut walk = |range: &Range| -> Result<ControlFlow<()>, Fault> {
            let mut entries = self.connection.prepare_cached(match (range.to.is_some(), backwards) {
                (true, false) => {
                    "SELECT d.n, d.body FROM outlast_entries AS e CROSS JOIN outlast_documents AS d ON d.n = e.document \
                     WHERE e.idx = ?1 AND e.entry >= ?2 AND e.entry < ?3 ORDER BY e.entry, e.document"
                }
                (false, false) => {
                    "SELECT d.n, d.body FROM outlast_entries AS e CROSS JOIN outlast_documents AS d ON d.n = e.document \
                     WHERE e.idx = ?1 AND e.entry >= ?2 ORDER BY e.entry, e.document"
                }
                (true, true) => {
                    "SELECT d.n, d.body FROM outlast_entries AS e CROSS JOIN outlast_documents AS d ON d.n = e.document \
                     WHERE e.idx = ?1 AND e.entry >= ?2 AND e.entry < ?3 ORDER BY e.entry DESC, e.document DESC"
                }
                (false, true) => {
                    "SELECT d.n, d.body FROM outlast_entries AS e CROSS JOIN outlast_documents AS d ON d.n = e.document \
                     WHERE e.idx = ?1 AND e.entry >= ?2 ORDER BY e.entry DESC, e.document DESC"
                }
            })?;
            let mut rows = match &range.to {
                Some(to) => entries.query(params![index.number, range.from, to])?,
                None => entries.query(params![index.number, range.from])?,
            };
            while let Some(row) = rows.next()? {
                examined.entries += 1;
                let candidate = candidate(row, self.name)?;
                // A document of several entries is one document.
                if index.multikey && !seen.insert(candidate.number) {
                    continue;
                }
                examined.documents += 1;
                if sink(candidate)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            Ok(ControlFlow::Continue(()))
        };
        let mut forwards = ranges.iter();
        let mut next = || if backwards { forwards.next_back() } else { forwards.next() };
        while let Some(range) = next() {
            if walk(range)?.is_break() {
                break;
            }
        }
        Ok(())
    }
}

fn candidate<'r>(row: &'r rusqlite::Row<'_>, name: &str) -> Result<Candidate<'r>, Failure> {
    let body = row.get_ref(1)?.as_blob().map_err(|error| damaged(name, error))?;
    Ok(Candidate { number: row.get(0)?, body })
}

/// The documents of a query, projected, one after the other.
pub(super) fn find(
    connection: &Connection,
    name: &str,
    query: &Query,
    sink: &mut dyn FnMut(RawDocumentBuf) -> Result<ControlFlow<()>, Fault>,
) -> Result<(), Fault> {
    let search = Search::of(query)?;
    let projection = query.projection.as_ref().map(Projection::parse).transpose()?;
    search.run(connection, name, &mut |found| {
        sink(match &projection {
            Some(projection) => projection.apply(&found.body, &found.matched)?,
            None => found.body,
        })
    })?;
    Ok(())
}

pub(super) fn explain(connection: &Connection, name: &str, query: &Query) -> Result<RawDocumentBuf, Fault> {
    let search = Search::of(query)?;
    let mut plan = bson::doc! { "stage": "no such collection" };
    if let Some(collection) = catalogue::find(connection, name)? {
        let chosen = Plan::of(&collection, &search.filter, search.sort.as_ref());
        plan = chosen.explained(&collection);
        plan.insert("sorted_in_memory", !chosen.is_sorted(search.sort.as_ref()));
    }
    let mut returned = 0_i64;
    let examined = search.run(connection, name, &mut |_| {
        returned += 1;
        Ok(ControlFlow::Continue(()))
    })?;
    plan.insert("entries_examined", examined.entries as i64);
    plan.insert("documents_examined", examined.documents as i64);
    plan.insert("returned", returned);
    Ok(RawDocumentBuf::try_from(&plan).map_err(|error| damaged(name, error))?)
}

pub(super) fn count(connection: &Connection, name: &str, query: &Query) -> Result<u64, Fault> {
    let search = Search::of(query)?;
    if search.filter.is_empty() && search.skip == 0 && search.limit == usize::MAX {
        return Ok(count_all(connection, name)?);
    }
    let mut count = 0;
    search.run(connection, name, &mut |_| {
        count += 1;
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(count)
}

pub(super) fn count_all(connection: &Connection, name: &str) -> Result<u64, Failure> {
    let Some(collection) = catalogue::find(connection, name)? else { return Ok(0) };
    let mut count = connection.prepare_cached("SELECT count(*) FROM outlast_documents WHERE collection = ?")?;
    let count: i64 = count.query_row([collection.number], |row| row.get(0))?;
    Ok(count.unsigned_abs())
}

pub(super) fn distinct(connection: &Connection, name: &str, field: &str, query: &Query) -> Result<Vec<Bson>, Fault> {
    let mut distinct = Distinct::new(field);
    Search::of(query)?.run(connection, name, &mut |found| {
        distinct.add(&found.body)?;
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(distinct.into_values())
}
