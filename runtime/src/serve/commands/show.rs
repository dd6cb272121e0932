//! `show`: all that is known of an execution.

use super::looking;
use crate::app::App;
use crate::error::Error;
use crate::serve::output::{Done, Output};
use crate::serve::shapes::ExecutionWhole;
use crate::serve::timeline::{View, lines};
use crate::store::Stamp;

pub(crate) async fn run(app: App, id: &str, full: bool, output: &mut Output) -> Done {
    let details = looking(app, async |running| Ok::<_, Error>(running.execution(id).details().await?.0)).await?;
    if output.json {
        return output.answer(&ExecutionWhole::of(&details));
    }
    let view = View { now: Stamp::now(), width: output.width, full };
    output.lines(&lines(&details, view))
}
