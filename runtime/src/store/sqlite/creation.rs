//! The creation of an execution for a caller that waits for its end alone.

use std::sync::Arc;

use super::desk::Desk;
use super::failure::{Failure, Fault};
use super::queue::Request;
use crate::error::{Error, Result};
use crate::store::{Asker, Created, NewExecution};

pub(super) struct Creation {
    new: NewExecution,
    asker: Arc<dyn Asker>,
    answer: Option<Result<Created>>,
}

impl Creation {
    pub(super) fn new(new: NewExecution, asker: Arc<dyn Asker>) -> Self {
        Self { new, asker, answer: None }
    }
}

impl Request for Creation {
    fn is_abandoned(&self) -> bool {
        self.asker.has_gone()
    }

    fn run(&mut self, desk: &mut Desk<'_>) -> Result<(), Failure> {
        self.answer = Some(match desk.create(&self.new) {
            Ok(created) => Ok(created),
            Err(Fault::Answer(error)) => Err(error),
            Err(Fault::Failure(Failure::TooBig)) => Err(Failure::TooBig.error("")),
            Err(Fault::Failure(failure)) => return Err(failure),
        });
        Ok(())
    }

    fn deliver(self: Box<Self>) {
        let Self { new, asker, answer } = *self;
        if let Some(mut created) = answer {
            if let Ok(Created::New(Some(claimed))) = &mut created {
                claimed.arguments = new.arguments;
            }
            asker.created(created);
        }
    }

    fn refuse(self: Box<Self>, error: Error) {
        self.asker.created(Err(error));
    }

    fn label(&self) -> &'static str {
        "create"
    }
}
