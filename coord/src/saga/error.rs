//! How a saga can end other than well.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::error::Error;

/// The error of a step or a compensation. It shows what the step's own error showed.
///
/// It is stored as text. In the process that ran the step the error itself is there too, for
/// [`downcast_ref`](Self::downcast_ref).
#[derive(Clone)]
pub struct StepError {
    message: Arc<str>,
    original: Option<Arc<dyn Any + Send + Sync>>,
}

impl StepError {
    pub(super) fn new<E: fmt::Display + Send + Sync + 'static>(error: E) -> Self {
        Self {
            message: error.to_string().into(),
            original: Some(Arc::new(error)),
        }
    }

    pub(super) fn of_text(message: impl Into<Arc<str>>) -> Self {
        Self {
            message: message.into(),
            original: None,
        }
    }

    /// What the error said.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The step's own error, if it is an `E` and was returned in this process; otherwise only its text is
    /// known.
    ///
    /// ```
    /// fn is_declined(error: &coord::SagaError) -> bool {
    ///     #[derive(Debug)]
    ///     enum ShopError { Declined, Other }
    /// #   let _ = ShopError::Other;
    ///     match error {
    ///         coord::SagaError::Compensated { source, .. } => {
    ///             matches!(source.downcast_ref(), Some(ShopError::Declined))
    ///         }
    ///         _ => false,
    ///     }
    /// }
    /// # let _ = is_declined(&coord::SagaError::Cancelled);
    /// ```
    pub fn downcast_ref<E: Any>(&self) -> Option<&E> {
        self.original.as_ref()?.downcast_ref()
    }
}

impl fmt::Display for StepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for StepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StepError").field(&self.message).finish()
    }
}

impl std::error::Error for StepError {}

/// Why a saga has no result.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum SagaError {
    /// A step failed for good, and the steps done before it are undone.
    #[error("the step `{step}` failed, and what was done before it is undone: {source}")]
    Compensated {
        /// The step that failed.
        step: Cow<'static, str>,
        /// What it failed with.
        source: StepError,
    },

    /// The saga was cancelled, and the steps that were done are undone.
    #[error("the saga was cancelled, and what was done is undone")]
    Cancelled,

    /// A compensation failed for good, or a step behind the pivot did. The saga stays as it is until somebody
    /// resumes or abandons it.
    #[error(
        "the saga is stuck at `{step}`: {source}; mend the cause, then resume or abandon it through \
         `Coordinator::sagas`"
    )]
    Stuck {
        /// The step that failed, or whose compensation did.
        step: Cow<'static, str>,
        /// What it failed with.
        source: StepError,
    },

    /// The saga was given up by somebody. Or it has ended, in another process or while the store was away, and was
    /// forgotten before this one heard how: it is not run again by the same call. Give it more `saga_retention`.
    #[error("the saga was abandoned: {reason}")]
    Abandoned {
        /// The reason that was given.
        reason: Cow<'static, str>,
    },

    /// The saga was begun by code with other steps, or whose steps put out what this code cannot read.
    #[error(
        "the saga `{saga}` was begun by code with other steps: {difference}; let a process with the old code \
         finish it, or keep the id of the step with `#[step(id = …)]`"
    )]
    Incompatible {
        /// The saga's name.
        saga: Cow<'static, str>,
        /// What differs.
        difference: Cow<'static, str>,
    },

    /// There is a saga with this key already, and it has another input.
    #[error(
        "there is a saga `{saga}` with the same key and another input: use a new key for new work, and the same \
         input for a repeated start"
    )]
    OtherInput {
        /// The saga's name.
        saga: Cow<'static, str>,
    },

    /// What coordinates the saga failed. If it was started, it is still there and goes on in the background.
    #[error(transparent)]
    Coordination(#[from] Error),
}
