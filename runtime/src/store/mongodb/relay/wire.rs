//! Messages of MongoDB's wire protocol, as far as their headers:
//! <https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/>.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The header, and what follows it in every kind of message: the flags of `OP_MSG`.
const HEAD: usize = 20;
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

impl Header {
    /// The header at the front of `bytes`, if all of it is there.
    fn of(bytes: &[u8]) -> io::Result<Option<Self>> {
        let Some((words, _)) = bytes.as_chunks::<4>().0.split_first_chunk::<{ HEAD / 4 }>() else { return Ok(None) };
        let [length, id, response_to, kind, flags] = words.map(i32::from_le_bytes);
        let length = usize::try_from(length).ok().filter(|length| *length >= HEAD);
        let length = length.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a message of no length"))?;
        Ok(Some(Self { length, id, response_to, more_to_come: kind == OP_MSG && flags & MORE_TO_COME != 0 }))
    }
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
    /// The piece at the front of `bytes`; none if a header isn't whole. Asks `passes` once for each message.
    pub(super) fn next(&mut self, bytes: &[u8], mut passes: impl FnMut(&Header) -> bool) -> io::Result<Option<Piece>> {
        if self.left == 0 {
            let Some(header) = Header::of(bytes)? else { return Ok(None) };
            *self = Self { left: header.length, passes: passes(&header) };
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

impl Asked {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a request, which always passes. One that gets no reply is followed by the next.
    pub(super) fn ask(&self, request: &Header) -> bool {
        self.state().awaited = Awaited::ReplyTo(request.id);
        true
    }

    /// Whether a reply is the one that is waited for. Whoever streams replies says more often than once what is so: those
    /// are all let through.
    pub(super) fn answer(&self, reply: &Header) -> bool {
        let mut state = self.state();
        let passes = match state.awaited {
            Awaited::Nothing => false,
            Awaited::ReplyTo(request) => reply.response_to == request,
            Awaited::Stream => true,
        };
        if passes {
            state.awaited = if reply.more_to_come { Awaited::Stream } else { Awaited::Nothing };
        } else if !std::mem::replace(&mut state.said, true) {
            tracing::warn!(
                request = reply.response_to,
                "a reply of MongoDB that nobody waits for was dropped, as all such will be on this connection: something \
                 between this process and the server repeats replies"
            );
        }
        passes
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
        Header::of(&message(HEAD + 1, id, response_to, flags)).unwrap().unwrap()
    }

    /// What passes of a stream that comes in pieces of these many bytes.
    fn passed(stream: &[u8], at_once: usize, mut passes: impl FnMut(&Header) -> bool) -> Vec<u8> {
        let (mut messages, mut held, mut out) = (Messages::default(), Vec::new(), Vec::new());
        for bytes in stream.chunks(at_once) {
            held.extend_from_slice(bytes);
            while let Some(piece) = messages.next(&held, &mut passes).unwrap() {
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
            assert_eq!(passed(&stream, at_once, |header| header.id % 2 == 1), wanted, "{at_once} at once");
        }
    }

    #[test]
    fn a_message_without_length_ends_the_connection() {
        for length in [-1, 0, 19] {
            let mut bytes = message(40, 1, 0, 0);
            bytes[..4].copy_from_slice(&i32::to_le_bytes(length));
            assert!(Messages::default().next(&bytes, |_| true).is_err(), "{length}");
        }
    }

    #[test]
    fn only_the_reply_that_is_waited_for_passes_and_once() {
        let asked = Asked::default();
        assert!(!asked.answer(&header(90, 1, 0)), "nothing was asked");
        assert!(asked.ask(&header(1, 0, 0)));
        assert!(asked.answer(&header(91, 1, 0)));
        assert!(!asked.answer(&header(91, 1, 0)), "it came twice");
        assert!(asked.ask(&header(2, 0, 0)));
        assert!(!asked.answer(&header(91, 1, 0)), "it came twice, and late");
        assert!(asked.answer(&header(92, 2, 0)));
    }

    #[test]
    fn a_request_that_gets_no_reply_is_followed_by_the_next() {
        let asked = Asked::default();
        assert!(asked.ask(&header(1, 0, MORE_TO_COME)) && asked.ask(&header(2, 0, 0)));
        assert!(asked.answer(&header(91, 2, 0)));
    }

    #[test]
    fn replies_that_are_streamed_pass_until_the_last() {
        let asked = Asked::default();
        asked.ask(&header(1, 0, 0));
        for (id, response_to) in [(90, 1), (91, 90), (92, 91)] {
            assert!(asked.answer(&header(id, response_to, MORE_TO_COME)));
        }
        assert!(asked.answer(&header(93, 92, 0)));
        assert!(!asked.answer(&header(93, 92, 0)));
    }
}
