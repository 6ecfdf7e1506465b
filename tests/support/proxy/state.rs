//! What the proxy was told to do, and what becomes of each command and reply.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use super::counts::Counts;
use crate::resp::Value;

/// What becomes of a command or a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Forward,
    Swallow,
    /// The connection is closed in place of forwarding it, once what went before is delivered.
    Cut,
}

/// When a connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    BeforeCommand,
    BeforeReply,
}

/// Cuts that a test has asked for.
#[derive(Debug)]
pub(super) struct Cut {
    pattern: String,
    moment: Moment,
    times: usize,
}

impl Cut {
    pub(super) fn new(pattern: &str, moment: Moment, times: usize) -> Self {
        Self {
            pattern: pattern.to_owned(),
            moment,
            times,
        }
    }
}

/// Names a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LinkId(u64);

#[derive(Debug)]
pub(super) struct State {
    pub(super) upstream: SocketAddr,
    pub(super) delay: Duration,
    pub(super) swallow_replies: bool,
    pub(super) swallow_requests: bool,
    pub(super) swallow_pushes: bool,
    pub(super) cuts: Vec<Cut>,
    pub(super) watches: Vec<(String, oneshot::Sender<()>)>,
    pub(super) counts: Counts,
    links: BTreeMap<LinkId, Link>,
    next_link: u64,
}

/// An open connection.
#[derive(Debug)]
struct Link {
    task: AbortHandle,
    /// Commands that the server has not answered yet.
    expected: VecDeque<Expected>,
    /// Whether the server has answered since the client last began to send.
    answered: bool,
    /// Whether a command or reply got lost.
    lossy: bool,
    subscribed: bool,
}

/// The answer that a command will get.
#[derive(Debug)]
struct Expected {
    /// How many confirmations, when the command subscribes or unsubscribes: such a command has no other reply.
    confirmations: Option<usize>,
    cut: bool,
}

impl State {
    pub(super) fn new(upstream: SocketAddr) -> Self {
        Self {
            upstream,
            delay: Duration::ZERO,
            swallow_replies: false,
            swallow_requests: false,
            swallow_pushes: false,
            cuts: Vec::new(),
            watches: Vec::new(),
            counts: Counts::default(),
            links: BTreeMap::new(),
            next_link: 0,
        }
    }

    /// A name for a connection that is about to be [entered](Self::enter).
    pub(super) fn reserve(&mut self) -> LinkId {
        self.next_link += 1;
        LinkId(self.next_link)
    }

    pub(super) fn enter(&mut self, id: LinkId, task: AbortHandle) {
        let link = Link {
            task,
            expected: VecDeque::new(),
            answered: true,
            lossy: false,
            subscribed: false,
        };
        self.links.insert(id, link);
    }

    pub(super) fn leave(&mut self, id: LinkId) {
        self.links.remove(&id);
    }

    pub(super) fn connections(&self) -> usize {
        self.links.len()
    }

    pub(super) fn cut_all(&mut self) {
        self.cut_where(|_| true);
    }

    /// Cuts the connections on which something got lost.
    pub(super) fn cut_lossy(&mut self) {
        self.cut_where(|link| link.lossy);
    }

    /// What comes next from a connection that is cut is neither counted nor forwarded, even if its task, which may be
    /// running right now, has it already.
    fn cut_where(&mut self, cut: impl Fn(&Link) -> bool) {
        self.links.retain(|_, link| {
            let goes = cut(link);
            if goes {
                link.task.abort();
            }
            !goes
        });
    }

    /// Decides about a command, whose bytes are given beside it.
    pub(super) fn on_command(&mut self, id: LinkId, command: &Value, bytes: &[u8]) -> Fate {
        let Some(link) = self.links.get_mut(&id) else {
            return Fate::Cut;
        };
        let Some(name) = command.word(0).filter(|name| !name.is_empty()) else {
            return Fate::Forward;
        };
        let name = String::from_utf8_lossy(name).to_uppercase();

        self.counts.round_trips += u64::from(std::mem::take(&mut link.answered));
        let matches = |pattern: &str| {
            pattern.eq_ignore_ascii_case(&name) || contains(bytes, pattern.as_bytes())
        };
        for (_, seen) in self.watches.extract_if(.., |(pattern, _)| matches(pattern)) {
            let _ = seen.send(());
        }
        let cut = take_cut(&mut self.cuts, matches);
        let confirmations = confirmations(&name, command);
        *self.counts.by_name.entry(name).or_default() += 1;

        if cut == Some(Moment::BeforeCommand) {
            self.counts.cuts += 1;
            return Fate::Cut;
        }
        if self.swallow_requests {
            link.lossy = true;
            return Fate::Swallow;
        }
        // Its reply will be swallowed, however late it comes.
        link.lossy |= self.swallow_replies;
        link.subscribed |= confirmations.is_some();
        link.expected.push_back(Expected {
            confirmations,
            cut: cut.is_some(),
        });
        Fate::Forward
    }

    /// Decides about something that the server sent.
    pub(super) fn on_reply(&mut self, id: LinkId, reply: &Value) -> Fate {
        let Some(link) = self.links.get_mut(&id) else {
            return Fate::Cut;
        };
        if link.is_push(reply) {
            return if self.swallow_pushes || self.swallow_replies {
                Fate::Swallow
            } else {
                Fate::Forward
            };
        }
        if link.answers_cut_command(reply) {
            self.counts.cuts += 1;
            return Fate::Cut;
        }
        if self.swallow_replies || link.lossy {
            link.lossy = true;
            return Fate::Swallow;
        }
        link.answered = true;
        Fate::Forward
    }
}

impl Link {
    /// Whether the server sent this unasked. Confirmations of subscriptions have the same form and are answers.
    fn is_push(&self, reply: &Value) -> bool {
        match reply {
            Value::Push(_) => !is_confirmation(reply),
            // Before version 3 of the protocol there is no form of their own for messages.
            Value::Array(_) => self.subscribed && is_message(reply),
            _ => false,
        }
    }

    /// Takes an answer off what is expected, and tells whether the connection is to be cut in its place.
    fn answers_cut_command(&mut self, reply: &Value) -> bool {
        let confirms = is_confirmation(reply);
        while let Some(next) = self.expected.front_mut() {
            match &mut next.confirmations {
                // More subscriptions were confirmed than the command named: those of an UNSUBSCRIBE without names.
                None if confirms && self.subscribed => return false,
                Some(left) if confirms && *left > 1 => {
                    *left -= 1;
                    return next.cut;
                }
                Some(_) if !confirms && !matches!(reply, Value::Error(_)) => {
                    self.expected.pop_front();
                }
                _ => {
                    return self
                        .expected
                        .pop_front()
                        .is_some_and(|answered| answered.cut);
                }
            }
        }
        false
    }
}

/// Counts down the first of the cuts that the command matches.
fn take_cut(cuts: &mut Vec<Cut>, matches: impl Fn(&str) -> bool) -> Option<Moment> {
    let at = cuts
        .iter()
        .position(|cut| cut.times > 0 && matches(&cut.pattern))?;
    let cut = &mut cuts[at];
    let moment = cut.moment;
    cut.times -= 1;
    if cut.times == 0 {
        cuts.remove(at);
    }
    Some(moment)
}

/// How many confirmations a command gets in place of a reply.
fn confirmations(name: &str, command: &Value) -> Option<usize> {
    let subscribes = matches!(
        name,
        "SUBSCRIBE" | "PSUBSCRIBE" | "SSUBSCRIBE" | "UNSUBSCRIBE" | "PUNSUBSCRIBE" | "SUNSUBSCRIBE"
    );
    subscribes.then(|| (command.array().len() - 1).max(1))
}

fn is_confirmation(reply: &Value) -> bool {
    reply
        .word(0)
        .is_some_and(|kind| kind.ends_with(b"subscribe"))
}

fn is_message(reply: &Value) -> bool {
    reply.word(0).is_some_and(|kind| kind.ends_with(b"message"))
}

fn contains(bytes: &[u8], pattern: &[u8]) -> bool {
    pattern.is_empty() || bytes.windows(pattern.len()).any(|window| window == pattern)
}
