//! What makes a builder of a call awaitable without a box: the call as a function of what was built.

use std::future::Future;

/// A call that waits for its options. Any function from `Options` to a future is one.
pub trait Start<Options> {
    /// The call.
    type Future: Future;

    /// Makes the call, which does nothing until it is polled.
    fn start(self, options: Options) -> Self::Future;
}

impl<Options, F, Call> Start<Options> for F
where
    F: FnOnce(Options) -> Call,
    Call: Future,
{
    type Future = Call;

    fn start(self, options: Options) -> Call {
        self(options)
    }
}
