//! `functions`: what this binary can be asked to run. Opens no store.

use serde::Serialize;

use super::{NOT_LINKED, signature};
use crate::function::registry::Registry;
use crate::function::spec::Function;
use crate::serve::output::{Done, Output, note};
use crate::serve::text::{Line, Style, wrapped};
use crate::serve::times::span;

#[derive(Serialize)]
struct Answer {
    name: &'static str,
    version: u32,
    arguments: Vec<ArgumentOf>,
    secret_result: bool,
    timeout_ms: Option<u128>,
    summary: &'static str,
    file: &'static str,
    line: u32,
    module: &'static str,
}

#[derive(Serialize)]
struct ArgumentOf {
    name: &'static str,
    #[serde(rename = "type")]
    rust_type: &'static str,
    secret: bool,
}

pub(crate) fn run(output: &mut Output) -> Done {
    let registry = Registry::of_binary()?;
    if output.json {
        return output.answer(&registry.all().map(Answer::of).collect::<Vec<_>>());
    }
    if registry.all().next().is_none() {
        note(NOT_LINKED);
    }
    let width = output.width.unwrap_or(100);
    registry.all().try_for_each(|function| output.lines(&lines(function, width)))
}

impl Answer {
    fn of(function: &'static Function) -> Self {
        let secret = |name| function.secret.arguments.contains(&name);
        let arguments = function.arguments.iter().map(|argument| ArgumentOf {
            name: argument.name,
            rust_type: argument.rust_type,
            secret: secret(argument.name),
        });
        Self {
            name: function.name,
            version: function.version,
            arguments: arguments.collect(),
            secret_result: function.secret.result,
            timeout_ms: function.timeout.map(|timeout| timeout.as_millis()),
            summary: function.summary,
            file: function.place.file,
            line: function.place.line,
            module: function.place.module,
        }
    }
}

/// The signature, what it does, and what else there is to know.
fn lines(function: &Function, width: usize) -> Vec<Line> {
    let mut facts = Vec::new();
    if function.version > 1 {
        facts.push(format!("version {}", function.version));
    }
    if let Some(timeout) = function.timeout {
        facts.push(format!("timeout {}", span(timeout)));
    }
    if !function.secret.arguments.is_empty() {
        facts.push(format!("secret {}", function.secret.arguments.join(", ")));
    }
    if function.secret.result {
        facts.push("secret result".to_owned());
    }
    facts.push(function.place.to_string());
    let mut lines = vec![Line::new().with(Style::Bold, signature(function))];
    let margin = || Line::new().with(Style::Plain, "    ");
    lines.extend(
        wrapped(function.summary, width.saturating_sub(4).max(20))
            .into_iter()
            .map(|piece| margin().with(Style::Plain, piece)),
    );
    lines.push(margin().with(Style::Dim, facts.join(" · ")));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::function::spec::{Argument, Place, Secret};

    #[test]
    fn a_function_is_shown_with_all_a_caller_needs() {
        static PAY: Function = Function {
            name: "pay",
            version: 2,
            summary: "Pays.\nOnce.",
            place: Place { file: "src/pay.rs", line: 7, module: "shop::pay" },
            arguments: &[
                Argument { name: "order", rust_type: "Order" },
                Argument { name: "card", rust_type: "String" },
            ],
            secret: Secret { arguments: &["card"], result: false },
            timeout: Some(std::time::Duration::from_secs(7_200)),
            ..Function::DURABLE
        };
        let shown: Vec<_> = lines(&PAY, 80).iter().map(|line| line.written(false)).collect();
        assert_eq!(
            shown,
            [
                "pay(order: Order, card: String)",
                "    Pays.",
                "    Once.",
                "    version 2 · timeout 2h · secret card · src/pay.rs:7",
            ]
        );
        let json = serde_json::to_value(Answer::of(&PAY)).unwrap();
        assert_eq!(json["arguments"][1], serde_json::json!({ "name": "card", "type": "String", "secret": true }));
        assert_eq!(json["timeout_ms"], 7_200_000);
    }
}
