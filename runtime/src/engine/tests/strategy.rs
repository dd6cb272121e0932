//! Random programs, as proptest makes and shrinks them.

use proptest::collection::vec;
use proptest::prelude::*;

use super::program::{Argument, Body, Channel, Ends, Leaf, Node};

/// A program: a few parts, each of up to some twenty nodes.
pub(super) fn program() -> impl Strategy<Value = Node> {
    (vec(part(), 1..5), prop::bool::weighted(0.3))
        .prop_map(|(nodes, joined)| if joined { Node::JoinAll(nodes) } else { Node::Sequence { nodes, strict: false } })
}

fn part() -> impl Strategy<Value = Node> {
    let leaf = prop_oneof![8 => leaf().prop_map(Node::Leaf), 1 => Just(Node::Draw)];
    leaf.prop_recursive(5, 24, 4, |inner| {
        let some = |from, to| vec(inner.clone(), from..=to);
        let one = || inner.clone().prop_map(Box::new);
        prop_oneof![
            6 => (some(1, 4), any::<bool>()).prop_map(|(nodes, strict)| Node::Sequence { nodes, strict }),
            3 => some(2, 3).prop_map(Node::Join),
            2 => some(2, 3).prop_map(Node::TryJoin),
            2 => some(2, 5).prop_map(Node::JoinAll),
            1 => (31_u8..36, leaf_of_many()).prop_map(|(branches, leaf)| Node::Crowd { branches, leaf }),
            3 => (some(2, 5), 1_u8..6).prop_map(|(nodes, takes)| Node::Unordered { nodes, takes }),
            1 => (some(2, 5), 1_u8..4).prop_map(|(nodes, width)| Node::Buffered { nodes, width }),
            3 => some(2, 3).prop_map(Node::Select),
            2 => some(2, 2).prop_map(Node::HelperSelect),
            2 => (one(), 0_u8..4).prop_map(|(node, millis)| Node::Timeout { node, millis }),
            3 => some(2, 2).prop_map(Node::Loop),
            2 => some(2, 4).prop_map(Node::SelectAll),
            3 => (self::leaf(), 0_u8..3, one()).prop_map(|(leaf, polls, rest)| Node::Early { leaf, polls, rest }),
            2 => (self::leaf(), 0_u8..3).prop_map(|(leaf, polls)| Node::Dropped { leaf, polls }),
            1 => (self::leaf(), 0_u8..3, one()).prop_map(|(leaf, polls, rest)| Node::Kept { leaf, polls, rest }),
            3 => (channel(), one(), some(1, 3))
                .prop_map(|(channel, sender, receivers)| Node::Channel { channel, sender, receivers }),
            2 => (self::leaf(), 2_u8..4).prop_map(|(leaf, ways)| Node::Feed { leaf, ways }),
            2 => (self::leaf(), some(1, 3), any::<bool>())
                .prop_map(|(leaf, rest, joined)| Node::Shared { leaf, rest, joined }),
            1 => some(2, 3).prop_map(Node::Locked),
            1 => one().prop_map(Node::Nested),
            1 => one().prop_map(Node::Hesitant),
        ]
    })
}

fn argument() -> impl Strategy<Value = Argument> {
    prop_oneof![3 => (0_u8..3).prop_map(Argument::Number), 2 => Just(Argument::Last)]
}

fn body() -> impl Strategy<Value = Body> {
    let ends = prop_oneof![
        12 => Just(Ends::Well),
        2 => Just(Ends::Refused),
        1 => Just(Ends::Failed),
        1 => Just(Ends::Panic),
    ];
    (0_u8..6, prop_oneof![3 => Just(0_u8), 1 => 1_u8..3], ends).prop_map(|(yields, millis, ends)| Body {
        yields,
        millis,
        ends,
    })
}

fn step() -> impl Strategy<Value = Leaf> {
    (0_u8..4, argument(), body()).prop_map(|(name, argument, body)| Leaf::Step { name, argument, body })
}

fn leaf_of_many() -> impl Strategy<Value = Leaf> {
    prop_oneof![3 => step(), 1 => (0_u8..2).prop_map(|millis| Leaf::Sleep { millis })]
}

fn leaf() -> impl Strategy<Value = Leaf> {
    prop_oneof![
        10 => step(),
        2 => (argument(), body()).prop_map(|(argument, body)| Leaf::Inline { argument, body }),
        2 => (argument(), body()).prop_map(|(argument, body)| Leaf::Transaction { argument, body }),
        3 => (0_u8..4).prop_map(|millis| Leaf::Sleep { millis }),
        3 => (0_u8..2, prop::option::of(0_u8..4)).prop_map(|(name, timeout)| Leaf::Signal { name, timeout }),
        2 => argument().prop_map(|argument| Leaf::Child { argument }),
        1 => (argument(), any::<bool>()).prop_map(|(argument, cancel)| Leaf::Start { argument, cancel }),
        1 => Just(Leaf::Read),
    ]
}

fn channel() -> impl Strategy<Value = Channel> {
    prop_oneof![
        Just(Channel::Oneshot),
        Just(Channel::Mpsc),
        Just(Channel::Watch),
        Just(Channel::Broadcast),
        Just(Channel::Notify),
    ]
}
