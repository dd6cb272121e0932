//! `ls`: a page of executions, newest first.

use super::looking;
use crate::app::App;
use crate::function::outcome::read_fault;
use crate::serve::command_line::List;
use crate::serve::output::{Done, Output, note};
use crate::serve::shapes::ExecutionLine;
use crate::serve::text::{Line, Style, clean, cut, length};
use crate::serve::timeline::look;
use crate::serve::times::{between, relative, span};
use crate::store::{ExecutionId, Filter, Stamp, Status, Summary};

pub(crate) async fn run(app: App, list: List, output: &mut Output) -> Done {
    let filter = Filter {
        function: list.function,
        status: list.status,
        parent: list.parent.map(ExecutionId::from),
        before: list.before.map(ExecutionId::from),
        // One more says whether there is a next page.
        limit: list.limit.saturating_add(1),
    };
    let mut found = looking(app, async |running| running.executions(filter).await).await?;
    let more = found.len() > list.limit;
    found.truncate(list.limit);
    if output.json {
        return output.answer(&found.iter().map(ExecutionLine::of).collect::<Vec<_>>());
    }
    if found.is_empty() {
        note("no executions");
    }
    output.lines(&table(&found, Stamp::now(), output.width))?;
    if let (true, Some(last)) = (more, found.last()) {
        output.flush()?;
        note(&format!("there are more: `--before {}`, or a larger `--limit`", last.id));
    }
    Ok(())
}

/// The table, in columns; only the last one is cut.
fn table(found: &[Summary], now: Stamp, width: Option<usize>) -> Vec<Line> {
    if found.is_empty() {
        return Vec::new();
    }
    let rows: Vec<_> = found.iter().map(|summary| Row::of(summary, now)).collect();
    let widest = |heading: &str, of: fn(&Row) -> &str| {
        rows.iter().map(|row| length(of(row))).max().unwrap_or(0).max(length(heading)) + 2
    };
    let columns = [
        widest("ID", |row| &row.id),
        widest("FUNCTION", |row| &row.function),
        widest("STATUS", |row| row.status),
        widest("CREATED", |row| &row.created),
    ];
    let heading = Line::new()
        .column(Style::Dim, "ID", columns[0])
        .column(Style::Dim, "FUNCTION", columns[1])
        .column(Style::Dim, "STATUS", columns[2])
        .with(Style::Dim, "CREATED");
    std::iter::once(heading).chain(rows.iter().map(|row| row.line(columns, width))).collect()
}

struct Row {
    id: String,
    function: String,
    status: &'static str,
    style: Style,
    created: String,
    note: String,
}

impl Row {
    fn of(summary: &Summary, now: Stamp) -> Self {
        Self {
            id: clean(&summary.id.0),
            function: clean(&summary.function),
            status: summary.status.name(),
            style: look(summary.status),
            created: relative(summary.created, now),
            note: clean(&said(summary, now)),
        }
    }

    fn line(&self, columns: [usize; 4], width: Option<usize>) -> Line {
        let line = Line::new()
            .column(Style::Plain, &self.id, columns[0])
            .column(Style::Plain, &self.function, columns[1])
            .column(self.style, self.status, columns[2])
            .column(Style::Dim, &self.created, columns[3]);
        // A line for each, whatever its reason says.
        let room = width.map_or(200, |width| width.saturating_sub(line.length()).max(8));
        line.with(Style::Dim, cut(&self.note, Some(room)))
    }
}

/// What there is to say beside the status.
fn said(summary: &Summary, now: Stamp) -> String {
    let from = summary.started.unwrap_or(summary.created);
    match summary.status {
        Status::Running => format!("for {}", span(between(from, now))),
        Status::Ready => String::new(),
        Status::Waiting => match summary.wake {
            Some(wake) => format!("due {}", relative(wake, now)),
            None => "for a signal or a child".to_owned(),
        },
        Status::Parked => summary.reason.as_deref().map(|reason| read_fault(reason).to_string()).unwrap_or_default(),
        Status::Ended(_) => {
            summary.ended.map(|ended| format!("after {}", span(between(from, ended)))).unwrap_or_default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Error, ErrorKind};
    use crate::function::outcome::fault_bytes;
    use crate::store::{End, Epoch};

    fn summary(id: &str, status: Status) -> Summary {
        Summary {
            id: ExecutionId(id.into()),
            function: "checkout".into(),
            version: 1,
            status,
            created: Stamp(0),
            started: Some(Stamp(1_000)),
            ended: None,
            wake: None,
            deadline: None,
            parent: None,
            owner: None,
            epoch: Epoch(1),
            reason: None,
        }
    }

    #[test]
    fn the_table_is_in_columns_and_fits_the_terminal() {
        let waiting = Summary { wake: Some(Stamp(7_260_000)), ..summary("order-42", Status::Waiting) };
        let ended = Summary { ended: Some(Stamp(4_500)), ..summary("b", Status::Ended(End::Succeeded)) };
        let reason = fault_bytes(&Error::of(ErrorKind::Parked, "went another way than its record, at some length"));
        let parked = Summary { reason: Some(reason), ..summary("c\u{1b}[2J", Status::Parked) };
        let lines = table(&[waiting, ended, parked], Stamp(60_000), Some(80));
        let shown: Vec<_> = lines.iter().map(|line| line.written(false)).collect();
        assert_eq!(
            shown,
            [
                "ID          FUNCTION  STATUS     CREATED",
                "order-42    checkout  waiting    1m ago   due in 2h",
                "b           checkout  succeeded  1m ago   after 3.5s",
                "c\\u{1b}[2J  checkout  parked     1m ago   went another way than its record, at …",
            ]
        );
        assert!(shown.iter().all(|line| length(line) <= 80));
    }

    #[test]
    fn nothing_found_is_no_line() {
        assert!(table(&[], Stamp(0), None).is_empty());
    }
}
