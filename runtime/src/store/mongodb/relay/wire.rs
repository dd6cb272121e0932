//! Messages of MongoDB's wire protocol, as far as their headers:
//! <https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/>.

use std::collections::VecDeque;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The header, and what follows it in every kind of message: the flags of `OP_MSG`.
const HEAD: usize = 20;
/// The kinds of messages: those of old handshakes, compressed ones, all others.
const OP_REPLY: i32 = 1;
const OP_QUERY: i32 = 2004;
const OP_COMPRESSED: i32 = 2012;
const OP_MSG: i32 = 2013;
/// A flag of `OP_MSG`: another message follows without being asked for.
const MORE_TO_COME: i32 = 1 << 1;

/// What a message says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    length: usize,
    id: i32,
    /// The id of the request that it answers.
    response_to: i32,
    more_to_come: bool,
}

/// What is at the front of a stream.
enum Front {
    Header(Header),
    /// Not enough to tell.
    Part,
    /// No message of this protocol.
    Foreign,
}

impl Front {
    fn of(bytes: &[u8]) -> Self {
        let Some((words, _)) = bytes.as_chunks::<4>().0.split_first_chunk::<{ HEAD / 4 }>() else { return Self::Part };
        let [length, id, response_to, kind, flags] = words.map(i32::from_le_bytes);
        match usize::try_from(length) {
            Ok(length) if length >= HEAD && [OP_REPLY, OP_QUERY, OP_COMPRESSED, OP_MSG].contains(&kind) => {
                let more_to_come = kind == OP_MSG && flags & MORE_TO_COME != 0;
                Self::Header(Header { length, id, response_to, more_to_come })
            }
            Ok(_) | Err(_) => Self::Foreign,
        }
    }
}

/// What becomes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Passes,
    Dropped,
    /// The connection can't be used any more.
    Ends,
}

/// A piece of a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) length: usize,
    pub(super) passes: bool,
}

/// Parts a stream of bytes into pieces of messages.
#[derive(Debug, Default)]
pub(super) struct Messages {
    /// How much of the message under way is still to come.
    left: usize,
    passes: bool,
}

impl Messages {
    /// The piece at the front of `bytes`; none if a header isn't whole. Asks `judge` once for each message. What is no
    /// message passes from there on: the driver says what it is instead.
    pub(super) fn next(
        &mut self,
        bytes: &[u8],
        mut judge: impl FnMut(&Header) -> Verdict,
    ) -> io::Result<Option<Piece>> {
        if self.left == 0 {
            *self = match Front::of(bytes) {
                Front::Part => return Ok(None),
                Front::Foreign => Self { left: usize::MAX, passes: true },
                Front::Header(header) => match judge(&header) {
                    Verdict::Ends => return Err(io::Error::new(io::ErrorKind::InvalidData, "an answer to nothing")),
                    verdict => Self { left: header.length, passes: verdict == Verdict::Passes },
                },
            };
        }
        let length = self.left.min(bytes.len());
        self.left -= length;
        Ok((length > 0).then_some(Piece { length, passes: self.passes }))
    }
}

/// What the driver has asked on a connection and not been told.
#[derive(Debug, Default)]
pub(super) struct Asked(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    awaited: Awaited,
    /// The requests that were answered last.
    answered: VecDeque<i32>,
    /// A reply was dropped: that is said once.
    said: bool,
}

#[derive(Debug, Default, Clone, Copy)]
enum Awaited {
    #[default]
    Nothing,
    /// The reply to this request.
    ReplyTo(i32),
    /// Whatever comes: the last reply said that more would.
    Stream,
}

/// How many answered requests are remembered: a reply that comes again comes soon.
const REMEMBERED: usize = 64;

impl Asked {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a request. One that gets no reply is followed by the next.
    pub(super) fn ask(&self, request: &Header) {
        self.state().awaited = Awaited::ReplyTo(request.id);
    }

    /// Whether a reply is the one that is waited for. One to a request that was answered is dropped, one to nothing ends
    /// the connection, since whoever asked would wait for ever. Whoever streams replies says more often than once what is
    /// so: those are all let through.
    pub(super) fn answer(&self, reply: &Header) -> Verdict {
        let mut state = self.state();
        let passes = match state.awaited {
            Awaited::Nothing => false,
            Awaited::ReplyTo(request) => reply.response_to == request,
            Awaited::Stream => true,
        };
        if passes {
            state.awaited = if reply.more_to_come { Awaited::Stream } else { Awaited::Nothing };
            if state.answered.len() == REMEMBERED {
                state.answered.pop_front();
            }
            state.answered.push_back(reply.response_to);
            return Verdict::Passes;
        }
        if !state.answered.contains(&reply.response_to) {
            return Verdict::Ends;
        }
        if !std::mem::replace(&mut state.said, true) {
            tracing::warn!(
                request = reply.response_to,
                "a reply of MongoDB came twice, and the second was dropped, as all such will be on this connection: \
                 something between this process and the server repeats replies"
            );
        }
        Verdict::Dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(length: usize, id: i32, response_to: i32, flags: i32) -> Vec<u8> {
        let length_word = i32::try_from(length).unwrap();
        let head = [length_word, id, response_to, OP_MSG, flags];
        let mut bytes: Vec<u8> = head.into_iter().flat_map(i32::to_le_bytes).collect();
        bytes.resize(length, 7);
        bytes
    }

    fn header(id: i32, response_to: i32, flags: i32) -> Header {
        match Front::of(&message(HEAD + 1, id, response_to, flags)) {
            Front::Header(header) => header,
            Front::Part | Front::Foreign => panic!("it is a message"),
        }
    }

    /// What passes of a stream that comes in pieces of these many bytes.
    fn passed(stream: &[u8], at_once: usize, mut judge: impl FnMut(&Header) -> Verdict) -> Vec<u8> {
        let (mut messages, mut held, mut out) = (Messages::default(), Vec::new(), Vec::new());
        for bytes in stream.chunks(at_once) {
            held.extend_from_slice(bytes);
            while let Some(piece) = messages.next(&held, &mut judge).unwrap() {
                let bytes: Vec<u8> = held.drain(..piece.length).collect();
                out.extend(if piece.passes { bytes } else { Vec::new() });
            }
        }
        assert!(held.is_empty());
        out
    }

    #[test]
    fn messages_are_parted_however_the_bytes_come() {
        let parts = [message(21, 1, 0, 0), message(400, 2, 0, 0), message(20, 3, 0, 0), message(65, 4, 0, 0)];
        let stream = parts.concat();
        let wanted = [&parts[0][..], &parts[2][..]].concat();
        for at_once in 1..stream.len() {
            let odd = |header: &Header| if header.id % 2 == 1 { Verdict::Passes } else { Verdict::Dropped };
            assert_eq!(passed(&stream, at_once, odd), wanted, "{at_once} at once");
        }
    }

    #[test]
    fn what_is_no_message_passes_for_the_driver_to_judge() {
        let other = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n".to_vec();
        let mut short = message(40, 1, 0, 0);
        short[..4].copy_from_slice(&19_i32.to_le_bytes());
        for foreign in [other, short] {
            let stream = [message(30, 1, 0, 0), foreign.clone()].concat();
            assert_eq!(passed(&stream, 7, |_| Verdict::Dropped), foreign);
        }
    }

    #[test]
    fn only_the_reply_that_is_waited_for_passes_and_once() {
        let asked = Asked::default();
        assert_eq!(asked.answer(&header(90, 1, 0)), Verdict::Ends, "nothing was asked");
        asked.ask(&header(1, 0, 0));
        assert_eq!(asked.answer(&header(91, 1, 0)), Verdict::Passes);
        assert_eq!(asked.answer(&header(91, 1, 0)), Verdict::Dropped, "it came twice");
        asked.ask(&header(2, 0, 0));
        assert_eq!(asked.answer(&header(91, 1, 0)), Verdict::Dropped, "it came twice, and late");
        assert_eq!(asked.answer(&header(92, 2, 0)), Verdict::Passes);
        asked.ask(&header(3, 0, 0));
        assert_eq!(asked.answer(&header(93, 77, 0)), Verdict::Ends, "an answer to nothing");
    }

    #[test]
    fn a_request_that_gets_no_reply_is_followed_by_the_next() {
        let asked = Asked::default();
        asked.ask(&header(1, 0, MORE_TO_COME));
        asked.ask(&header(2, 0, 0));
        assert_eq!(asked.answer(&header(91, 2, 0)), Verdict::Passes);
    }

    #[test]
    fn replies_that_are_streamed_pass_until_the_last() {
        let asked = Asked::default();
        asked.ask(&header(1, 0, 0));
        for (id, response_to) in [(90, 1), (91, 90), (92, 91)] {
            assert_eq!(asked.answer(&header(id, response_to, MORE_TO_COME)), Verdict::Passes);
        }
        assert_eq!(asked.answer(&header(93, 92, 0)), Verdict::Passes);
        assert_eq!(asked.answer(&header(93, 92, 0)), Verdict::Dropped);
    }
}
