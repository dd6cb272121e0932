//! The one list of reasons why a function can't be what its attribute says: what is wrong, then what to write.

use proc_macro2::Ident;

use super::Kind;

/// Why a function can't be annotated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reason {
    Const,
    Unsafe,
    Extern,
    NotAsync,
    Variadic,
    NotMain,
    LifetimeParameter,
    Generic,
    Method,
    MainArgument,
    ConditionalArgument,
    RefPattern,
    Destructured,
    Unnamed,
    NoResult,
    NoBody,
    TwoAttributes,
    /// `&T` where a value has to be owned; the owned type to write, where it is known.
    Borrowed(Option<String>),
    /// `str`, `[T]` or `dyn T` by value; what to write.
    Unsized(String),
    MutableReference,
    InnerReference,
    InnerLifetime,
    TraitObject,
    ImplTrait,
    SelfType,
    /// A `HashSet`: no two of them iterate alike.
    Unordered,
    BorrowedResult,
}

impl Reason {
    /// For the error: at most three lines.
    pub(crate) fn message(&self, kind: Kind, function: &Ident) -> String {
        let noun = kind.noun();
        match self {
            Self::Const => format!("{noun} can't be `const`: it runs when it is awaited"),
            Self::Unsafe => format!("{noun} can't be `unsafe`: put the unsafe part into a function that it calls"),
            Self::Extern => format!("{noun} can't be `extern`: it is called from Rust alone"),
            Self::NotAsync => format!("{noun} is async: write `async fn {function}`"),
            Self::Variadic => format!("{noun} can't be variadic: name each argument, or take a `Vec`"),
            Self::NotMain => {
                format!("`#[outlast::main]` goes on `main`: call this `main`, or call `{function}` from there")
            }
            Self::LifetimeParameter => match kind {
                Kind::Main => "`main` can't be generic".to_owned(),
                Kind::Durable | Kind::Step | Kind::Transaction => {
                    format!("{noun} owns its arguments and its result: take the lifetime out")
                }
            },
            Self::Generic => match kind {
                Kind::Main => "`main` can't be generic".to_owned(),
                Kind::Durable | Kind::Step | Kind::Transaction => format!(
                    "{noun} can't be generic: its name in the record stands for one list of types\n\
                     write one for each type, and let each call the generic function"
                ),
            },
            Self::Method => format!("{noun} is a function of its own, not a method: take what it needs as arguments"),
            Self::MainArgument => "`main` takes no arguments: read them with `std::env::args()`".to_owned(),
            Self::ConditionalArgument => {
                format!("{noun} has the same arguments in every build: put the `cfg` on two functions")
            }
            Self::RefPattern => "an argument is recorded by its name: write it without `ref`".to_owned(),
            Self::Destructured => "an argument is recorded by its name: give the argument a name, \
                                   and take it apart with `let` in the body"
                .to_owned(),
            Self::Unnamed => {
                "an argument is recorded by its name: give the argument a name, such as `_unused`".to_owned()
            }
            Self::NoResult => format!("{noun} returns `Result<…>`: write `-> Result<()>`"),
            Self::NoBody => format!("{noun} needs a body: write `{{ … }}` in place of `;`"),
            Self::TwoAttributes => {
                "a function has one of `#[durable]`, `#[step]` and `#[transaction]`: call one function from the other"
                    .to_owned()
            }
            Self::Borrowed(Some(owned)) => format!("{noun} owns its arguments: write `{owned}`"),
            Self::Borrowed(None) => format!("{noun} owns its arguments: write an owned type in place of the reference"),
            Self::Unsized(sized) => format!("an argument that is passed by value has a size: write `{sized}`"),
            Self::MutableReference => match kind {
                Kind::Durable => "a durable function owns its arguments, and nobody sees what it changes in them: \
                                  take a value and return what changed"
                    .to_owned(),
                Kind::Step | Kind::Transaction | Kind::Main => {
                    format!("{noun} gets a copy of its arguments: take `&T` or a value and return what changed")
                }
            },
            Self::InnerReference => format!(
                "{noun} keeps its arguments for further attempts: own what is inside, or put the `&` in front of the \
                 whole type"
            ),
            Self::InnerLifetime => {
                format!("{noun} keeps its arguments for longer than a borrow: write a type without a lifetime")
            }
            Self::TraitObject => {
                format!("{noun} can't clone a `&dyn` argument: take `Arc<dyn …>` and name it in `skip(…)`")
            }
            Self::ImplTrait => format!("{noun} can't have `impl Trait` in its signature: name the type"),
            Self::SelfType => format!("{noun} is a function of its own: write the type's name in place of `Self`"),
            Self::Unordered => {
                "a `HashSet` has another order each time, so a call with it can't be told from another one: write \
                 `BTreeSet`"
                    .to_owned()
            }
            Self::BorrowedResult => {
                "a result is read back from the record: return an owned type, such as `String`".to_owned()
            }
        }
    }
}
